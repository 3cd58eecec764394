# SPDX-License-Identifier: GPL-3.0-or-later
"""A document of LibreOffice."""

import io
import zipfile

NAMES = "urn:oasis:names:tc:opendocument:xmlns:"
KIND = "application/vnd.oasis.opendocument.spreadsheet"
SHEET = {
    "mimetype": KIND,
    "content.xml": f'''<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="{NAMES}office:1.0" xmlns:table="{NAMES}table:1.0"
 office:version="1.2"><office:body><office:spreadsheet><table:table table:name="Sheet1">
<table:table-row><table:table-cell/></table:table-row></table:table></office:spreadsheet>
</office:body></office:document-content>''',
    "META-INF/manifest.xml": f'''<?xml version="1.0" encoding="UTF-8"?>
<manifest:manifest xmlns:manifest="{NAMES}manifest:1.0" manifest:version="1.2">
<manifest:file-entry manifest:full-path="/" manifest:media-type="{KIND}"/>
<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>
</manifest:manifest>''',
}


def sheet():
    """An empty one."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in SHEET.items():
            archive.writestr(name, text)
    return data.getvalue()
