/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const struct command *const commands[] = {
	&cmd_mount,	&cmd_umount,   &cmd_status,  &cmd_log,	  &cmd_watch,
	&cmd_why,	&cmd_checkout, &cmd_checkin, &cmd_wait,	  &cmd_break,
	&cmd_recovered, &cmd_versions, &cmd_diff,    &cmd_revert, &cmd_doctor,
	&cmd_metrics,	&cmd_registry,
};

#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

static int help(void)
{
	fputs("usage: camlock COMMAND [ARGUMENT...]\n"
	      "\n"
	      "A mount over a shared folder in which opening a file for "
	      "writing is a checkout.\n"
	      "\n",
	      stdout);
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  %-9s  %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n"
	      "'camlock COMMAND --help' explains a command, "
	      "'camlock --version' says which camlock this is.\n"
	      "\n"
	      "exit status:\n"
	      "  0  done\n"
	      "  1  refused: understood, but it is not to be had\n"
	      "  2  usage: the command line was not understood\n"
	      "  3  trouble: a file, the share or the daemon failed\n",
	      stdout);
	return DONE;
}

/* A file opened later must not become somebody's standard error. */
static void open_standard_files(void)
{
	int fd;

	do /* what is handed on to other programs, too */
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static int run_command(int argc, char **argv)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(argv[1], commands[i]->name))
			return commands[i]->run(argc - 1, argv + 1);
	/* mount.fuse(8) runs `camlock SHARE MOUNTPOINT -o OPTIONS` */
	if (strchr(argv[1], '/'))
		return cmd_mount.run(argc, argv);
	return fail(USAGE,
		    "there is no command '%s': 'camlock --help' lists them",
		    argv[1]);
}

static int dispatch(int argc, char **argv)
{
	if (argc > 0 && is_mount_helper(argv[0]))
		return cmd_mount.run(argc, argv);
	if (argc < 2)
		return fail(USAGE, "no command: 'camlock --help' lists them");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help"))
		return help();
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return printf("camlock %s\n", CAMLOCK_VERSION) < 0 ? TROUBLE
								   : DONE;
	return run_command(argc, argv);
}

int main(int argc, char **argv)
{
	int status;

	open_standard_files();
	/* names are UTF-8, whatever the caller's locale says */
	setlocale(LC_CTYPE, "C.UTF-8");
	status = dispatch(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout))
		return fail(TROUBLE, "standard output can't be written: %m");
	return status;
}
