# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Completion for bash: commands, their options, and the files that are checked
# out. What there is to choose from, camlock and `.locks` say themselves.

# The commands, or the options of one: what is at the beginning of help's lines.
_camlock_commands() {
	"$1" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p'
}

_camlock_options() {
	"$1" "$2" --help 2>/dev/null | sed -n 's/^  \(-[a-z], \)\?\(--[a-z-]*\).*/\2/p'
	echo --help
}

_camlock_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

# Names below `.locks` that stand for what is typed, spelt as it is typed. Not
# in a mount: any file.
_camlock_held() {
	local cur=$1 typed folder point below
	typed=${cur%"${cur##*/}"}
	folder=$(realpath -m -- "${typed:-.}")
	point=$(stat -c %m -- "$folder" 2>/dev/null)
	if [ ! -d "$point/.locks" ]; then
		_camlock_files "$cur"
		return
	fi
	below=$point/.locks${folder#"${point%/}"}
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "${below%/}/${cur##*/}" |
		while IFS= read -r name; do printf '%s\n' "$typed${name##*/}"; done)
}

# What stands behind an option of that program; 1 if it takes nothing.
_camlock_value() {
	local cur=$3
	case $2 in
	--event)
		mapfile -t COMPREPLY < <(compgen -W 'saved deleted renamed refused checkout checkin
			broken stolen recovered reaped reasserted lost stale damaged reverted' -- "$cur")
		;;
	--io-uring) mapfile -t COMPREPLY < <(compgen -W 'auto on off' -- "$cur") ;;
	--stale-save) mapfile -t COMPREPLY < <(compgen -W 'refuse warn allow' -- "$cur") ;;
	--busy-errno)
		mapfile -t COMPREPLY < <(compgen -W 'EBUSY ETXTBSY EACCES EAGAIN EPERM EROFS' -- "$cur")
		;;
	--user) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
	--admin-group) mapfile -t COMPREPLY < <(compgen -g -- "$cur") ;;
	--locks | --metrics | --smb-conf | --output) _camlock_files "$cur" ;;
	-o)
		if [ "$1" = mount ]; then COMPREPLY=(); else _camlock_files "$cur"; fi
		;;
	# any other that help shows with a value
	-*) "$4" "$1" --help 2>/dev/null | grep -Eq -- "^  ((-., )?$2|$2, --[a-z]+)[ =][A-Z]" ;;
	*) return 1 ;;
	esac
}

_camlock() {
	local cur=$2 previous=$3 command=${COMP_WORDS[1]}
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_camlock_commands "$1") --help --version" -- "$cur")
		return
	fi
	# --stale-save=wa is three words
	[ "$cur" = = ] && cur=
	[ "$previous" = = ] && previous=${COMP_WORDS[COMP_CWORD - 2]}
	[ "$2" = = ] && previous=${COMP_WORDS[COMP_CWORD - 1]}
	_camlock_value "$command" "$previous" "$cur" "$1" && return
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_camlock_options "$1" "$command")" -- "$cur")
		return
	fi
	case $command in
	checkin | break | why | wait) _camlock_held "$cur" ;;
	*) _camlock_files "$cur" ;;
	esac
}

complete -F _camlock camlock
