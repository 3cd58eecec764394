/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/documents.h"

#include "tests/unit/check.h"

/* The folder every path below is in has part.nc, and nothing else. */
static bool has_part(void *arg, const char *name)
{
	CHECK_STRING(arg, "the argument");
	return !strcmp(name, "part.nc");
}

static bool include(const struct documents *d, const char *path,
		    const char *program)
{
	return documents_include(d, path, program, has_part,
				 (void *)"the argument");
}

static bool is_document(const char *path)
{
	struct documents none = {};

	return include(&none, path, "vim");
}

static void files_are_documents(void)
{
	const char *const paths[] = {
		"part.nc",
		"jobs/1042/part.nc",
		"a",
		"jobs/.hidden",
		"x.bak",
		"jobs/part.nc2",
		"x.tmp/part.nc",
		"part~.nc",
		"#",
		".#x/part.nc",
		"49130",
		"jobs/4913.nc",
		"part.nc.x",
		"@x",
		".",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (!is_document(paths[i])) {
			fprintf(stderr, "'%s' is a document\n", paths[i]);
			_exit(1);
		}
}

static void lock_swap_and_backup_files_are_not(void)
{
	const char *const paths[] = {
		"part.nc~",
		"jobs/part.nc~",
		"part.nc~4711",
		"~$part.xlsx",
		"jobs/PART.NC~RF4C1A.TMP",
		"Thumbs.db",
		"lu123.tmp",
		"jobs/part.mcam@",
		"part.20261123-101112.FCBak",
		"x.f3b0c442-98fc-4c14-9afb-f4c8996fb924",
		".goutputstream-A1B2C3",
		"qt_temp.ab",
		"jobs/4913",
		".~lock.part.ods#",
		".part.nc.swp",
		".part.nc.swo",
		".part.nc.kate-swp",
		".#part.nc",
		"#part.nc#",
		".part.nc.aB3dE6",
		".fuse_hidden01",
		".Trash-1000/files/x.nc",
		"jobs/.~tmp~/part.nc",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (is_document(paths[i])) {
			fprintf(stderr, "'%s' is scratch\n", paths[i]);
			_exit(1);
		}
}

static void some_are_scratch_only_beside_their_document(void)
{
	CHECK(!is_document("jobs/part.nc-journal"));
	CHECK(!is_document("part.nc-wal") && !is_document("part.nc-shm"));
	CHECK(!is_document("part.nc.aB3dE6") && !is_document("part.nc."
							     "oaB3dE6"));
	CHECK(is_document("other.nc-journal"));
	CHECK(is_document("other.nc.aB3dE6"));
	CHECK(is_document("-journal") && is_document(".aB3dE6"));
	CHECK(is_document("part.nc.aB3dE") && is_document("part.nc.aB-dE6"));
}

static void some_are_scratch_only_to_their_program(void)
{
	struct documents none = {};

	CHECK(!include(&none, "jobs/sedAbC123", "sed"));
	CHECK(!include(&none, "XXAbC123", "perl"));
	CHECK(!include(&none, "CuAbC123", "cp"));
	CHECK(include(&none, "sedAbC123", "vim"));
	CHECK(include(&none, "sedAbC123", "sedan"));
	CHECK(include(&none, "sedAbC1234", "sed"));
	CHECK(include(&none, "part.nc", "sed"));
	/* backups with a number, beside their document */
	CHECK(!include(&none, "jobs/part.nc1", "freecad"));
	CHECK(!include(&none, "jobs/part.nc12", "FreeCAD"));
	CHECK(!include(&none, "part.nc1", "freecadcmd"));
	CHECK(!include(&none, "part.nc1", "blender"));
	CHECK(include(&none, "part.nc1", "vim"));
	CHECK(include(&none, "other.nc1", "freecad"));
	CHECK(include(&none, "part.nc", "freecad"));
	CHECK(include(&none, "12", "freecad"));
}

static void patterns_add_scratch_names(void)
{
	struct documents d = {};

	CHECK(documents_add_scratch(&d, "*.bak") == 0);
	CHECK(documents_add_scratch(&d, "post/*.nc") == 0);
	CHECK(!include(&d, "jobs/part.bak", "vim"));
	CHECK(!include(&d, "post/part.nc", "vim"));
	CHECK(include(&d, "jobs/post/part.nc", "vim"));
	CHECK(include(&d, "jobs/part.nc", "vim"));
	CHECK(!include(&d, "jobs/part.nc~", "vim"));
	documents_release(&d);
	CHECK(!d.scratch && !d.n_scratch);
}

static void patterns_can_name_the_only_documents(void)
{
	struct documents d = {};

	CHECK(documents_add_only(&d, "*.nc") == 0);
	CHECK(documents_add_only(&d, "setup/*") == 0);
	CHECK(documents_add_scratch(&d, "draft*") == 0);
	CHECK(include(&d, "jobs/part.nc", "vim"));
	CHECK(include(&d, "JOBS/PART.NC", "smbd"));
	CHECK(include(&d, "setup/anything", "vim"));
	CHECK(!include(&d, "jobs/part.txt", "vim"));
	CHECK(!include(&d, "draft.nc", "vim"));
	documents_release(&d);
}

static void lock_swap_and_journal_files_stay_aside(void)
{
	CHECK(documents_stay_aside("jobs/.part.nc.swp"));
	CHECK(documents_stay_aside("part.nc-wal"));
	CHECK(documents_stay_aside("jobs/.~lock.part.ods#"));
	CHECK(!documents_stay_aside("jobs/lu123.tmp"));
	CHECK(!documents_stay_aside(".goutputstream-A1B2C3"));
	CHECK(!documents_stay_aside(".part.nc.aB3dE6"));
	CHECK(!documents_stay_aside("part.nc~"));
}

int main(void)
{
	TEST(files_are_documents);
	TEST(lock_swap_and_backup_files_are_not);
	TEST(some_are_scratch_only_beside_their_document);
	TEST(some_are_scratch_only_to_their_program);
	TEST(patterns_add_scratch_names);
	TEST(patterns_can_name_the_only_documents);
	TEST(lock_swap_and_journal_files_stay_aside);
	return tests_done();
}
