/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ops ROW SECONDS FOLDER: does one thing in FOLDER again and again, and prints
 * how often and in how many seconds: "OPS SECONDS".
 *
 * Timed are the batches of a row; what comes before and after each is not. The
 * first batch warms every cache and is not counted, so each file system is
 * measured in the same state.
 *
 * tests/bench/bench has put into FOLDER: `data`, DATA_SIZE bytes, and
 * `files/0` to `files/999`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KIB 1024
#define MIB (1024 * KIB)
#define DATA_SIZE (32 * MIB)
#define FRESH_SIZE (16 * MIB)
#define SAVE_SIZE (64 * KIB)
#define N_FILES 1000
#define N_OPENED 100
#define N_RANDOM 256
#define N_SAVED 10

static int fd;
static char *buffer; /* MIB */
static uint64_t seed = 88172645463325252;
static char names[N_FILES][16];

static void die(const char *what)
{
	fprintf(stderr, "ops: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int must_open(const char *name, int flags)
{
	int r = open(name, flags | O_CLOEXEC, 0644);

	if (r < 0)
		die(name);
	return r;
}

static void must_close(int opened)
{
	if (close(opened) < 0)
		die("close");
}

static void must_write(size_t size, off_t offset)
{
	if (pwrite(fd, buffer, size, offset) != (ssize_t)size)
		die("write");
}

static void must_read(size_t size, off_t offset)
{
	if (pread(fd, buffer, size, offset) != (ssize_t)size)
		die("read");
}

/* A place for 4 KiB in the first `size` bytes, a power of two. */
static off_t random_offset(uint64_t size)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (off_t)(seed & (size - 1) & ~(uint64_t)(4 * KIB - 1));
}

/* ---- writing ---- */

static void open_new(void)
{
	fd = must_open("new", O_WRONLY | O_CREAT | O_EXCL);
}

static void remove_new(void)
{
	must_close(fd);
	if (unlink("new") < 0)
		die("unlink");
}

static void write_1m(void)
{
	for (off_t at = 0; at < FRESH_SIZE; at += MIB)
		must_write(MIB, at);
}

static void write_4k(void)
{
	for (off_t at = 0; at < FRESH_SIZE / 8; at += 4 * KIB)
		must_write(4 * KIB, at);
}

static void open_new_full(void)
{
	open_new();
	write_1m();
}

static void write_4k_random(void)
{
	for (int i = 0; i < N_RANDOM; i++)
		must_write(4 * KIB, random_offset(FRESH_SIZE));
}

static void remove_saved(void)
{
	for (int i = 0; i < N_SAVED; i++)
		unlink(names[i] + strlen("files/"));
}

static void save(void)
{
	for (int i = 0; i < N_SAVED; i++) {
		fd = must_open(names[i] + strlen("files/"),
			       O_WRONLY | O_CREAT | O_TRUNC);
		must_write(SAVE_SIZE, 0);
		must_close(fd);
	}
}

/* ---- reading ---- */

static void open_data(void)
{
	fd = must_open("data", O_RDONLY);
}

static void close_data(void)
{
	must_close(fd);
}

static void read_1m(void)
{
	for (off_t at = 0; at < DATA_SIZE; at += MIB)
		must_read(MIB, at);
}

static void open_data_and_read(void)
{
	open_data();
	read_1m();
}

static void read_4k_random(void)
{
	for (int i = 0; i < N_RANDOM; i++)
		must_read(4 * KIB, random_offset(DATA_SIZE));
}

static void mmap_read(void)
{
	const char *map = mmap(NULL, DATA_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < DATA_SIZE; i += 64)
		*(volatile const char *)(map + i);
	munmap((void *)map, DATA_SIZE);
}

/* ---- several files at a time ---- */

static int many[N_FILES];
static int n_many;

static void open_many(void)
{
	char name[32];

	for (n_many = 0; n_many < N_FILES; n_many++) {
		snprintf(name, sizeof(name), "files/%d", n_many);
		if (access(name, F_OK) < 0)
			break;
		many[n_many] = must_open(name, O_RDWR);
	}
}

static void close_many(void)
{
	for (int i = 0; i < n_many; i++)
		must_close(many[i]);
}

static void write_many(void)
{
	for (int i = 0; i < N_RANDOM; i++) {
		fd = many[i % n_many];
		must_write(4 * KIB, (off_t)(i / n_many) * 4 * KIB);
	}
}

/* ---- names ---- */

static void stat_known(void)
{
	struct stat st;

	for (int i = 0; i < N_FILES; i++)
		if (stat(names[i], &st) < 0)
			die(names[i]);
}

static void stat_missing(void)
{
	struct stat st;

	for (int i = 0; i < N_FILES; i++)
		if (stat(names[i] + strlen("files/"), &st) == 0 ||
		    errno != ENOENT)
			die("a missing name");
}

static void open_close(int flags)
{
	for (int i = 0; i < N_OPENED; i++)
		must_close(must_open(names[i], flags));
}

static void open_read(void)
{
	open_close(O_RDONLY);
}

static void open_write(void)
{
	open_close(O_RDWR);
}

static void create_unlink(void)
{
	for (int i = 0; i < N_OPENED; i++) {
		open_new();
		remove_new();
	}
}

static void make_new(void)
{
	open_new();
	must_close(fd);
}

static void unlink_new(void)
{
	unlink("new");
}

static void rename_new(void)
{
	for (int i = 0; i < N_OPENED; i += 2)
		if (rename("new", "newer") < 0 || rename("newer", "new") < 0)
			die("rename");
}

/* ---- the rows ---- */

static const struct row {
	const char *name;
	int n_ops; /* in a batch */
	void (*batch)(void);
	void (*begin)(void); /* once */
	void (*end)(void);
	void (*before)(void); /* each batch */
	void (*after)(void);
} rows[] = {
	{ "write-1m", FRESH_SIZE / MIB, .batch = write_1m, .before = open_new,
	  .after = remove_new },
	{ "write-4k", FRESH_SIZE / 8 / (4 * KIB), .batch = write_4k,
	  .before = open_new, .after = remove_new },
	{ "write-4k-random", N_RANDOM, .batch = write_4k_random,
	  .begin = open_new_full, .end = remove_new },
	{ "save", N_SAVED, .batch = save, .end = remove_saved },
	{ "read-1m", DATA_SIZE / MIB, .batch = read_1m, .begin = open_data,
	  .end = close_data },
	{ "read-4k-random", N_RANDOM, .batch = read_4k_random,
	  .begin = open_data_and_read, .end = close_data },
	{ "mmap-read", DATA_SIZE / MIB, .batch = mmap_read, .begin = open_data,
	  .end = close_data },
	{ "write-4k-many", N_RANDOM, .batch = write_many, .begin = open_many,
	  .end = close_many },
	{ "stat", N_FILES, .batch = stat_known },
	{ "missing", N_FILES, .batch = stat_missing },
	{ "open-read", N_OPENED, .batch = open_read },
	{ "open-write", N_OPENED, .batch = open_write },
	{ "create-unlink", N_OPENED, .batch = create_unlink },
	{ "rename", N_OPENED, .batch = rename_new, .begin = make_new,
	  .end = unlink_new },
};

static const struct row *find_row(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	fprintf(stderr, "ops: no row '%s'\n", name);
	exit(2);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void call(void (*hook)(void))
{
	if (hook)
		hook();
}

static double timed_batch(const struct row *row)
{
	double start, seconds;

	call(row->before);
	start = now();
	row->batch();
	seconds = now() - start;
	call(row->after);
	return seconds;
}

static void run(const struct row *row, double limit)
{
	long ops = 0;
	double spent = 0;

	call(row->begin);
	timed_batch(row);
	while (spent < limit) {
		spent += timed_batch(row);
		ops += row->n_ops;
	}
	call(row->end);
	printf("%ld %.9f\n", ops, spent);
}

static void prepare(void)
{
	buffer = malloc(MIB);
	if (!buffer)
		die("malloc");
	for (size_t i = 0; i < MIB; i++)
		buffer[i] = (char)(i * 7);
	for (int i = 0; i < N_FILES; i++)
		snprintf(names[i], sizeof(names[i]), "files/%d", i);
	if (access(names[0], F_OK) < 0)
		die("not what should be mounted here");
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: ops ROW SECONDS FOLDER\n", stderr);
		return 2;
	}
	if (chdir(argv[3]) < 0)
		die(argv[3]);
	prepare();
	run(find_row(argv[1]), strtod(argv[2], NULL));
	return 0;
}
