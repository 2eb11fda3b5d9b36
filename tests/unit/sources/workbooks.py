"""Excel workbooks of given cells, as few parts as a reader needs.

Belongs here: writing .xlsx files for tests. Not here: what is read from them.
"""

import io
import zipfile


def workbook(cells: str, sheets: int = 1) -> bytes:
    """A workbook whose sheets hold these cells."""
    main, office = "http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://schemas.openxmlformats.org/"
    doc, packages = f"{office}officeDocument/2006/relationships", f"{office}package/2006"
    names = range(1, sheets + 1)
    listed = "".join(f'<sheet name="S{n}" sheetId="{n}" r:id="r{n}"/>' for n in names)
    linked = "".join(
        f'<Relationship Id="r{n}" Type="{doc}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in names
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{packages}/content-types"><Override PartName="/xl/workbook.xml" '
        f'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{packages}/relationships"><Relationship Id="r" '
        f'Type="{doc}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{doc}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{packages}/relationships">{linked}</Relationships>',
        **{
            f"xl/worksheets/sheet{n}.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'
            for n in names
        },
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return stream.getvalue()


def row_of(number: int, *cells: object) -> str:
    written = "".join(
        f'<c r="{_letters(n)}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
        if isinstance(cell, str)
        else f'<c r="{_letters(n)}{number}"><v>{cell}</v></c>'
        for n, cell in enumerate(cells)
    )
    return f'<row r="{number}">{written}</row>'


def _letters(place: int) -> str:
    """The name of a column: A, ..., Z, AA."""
    return (chr(64 + place // 26) if place > 25 else "") + chr(65 + place % 26)
