"""What a DICOM header says of the picture: whether it can be used, the view, and whose it is."""

import re
from dataclasses import dataclass

from pydicom.config import IGNORE
from pydicom.uid import UID

from thorax.dicom.parse import (
    IDENTIFIERS,
    MOST_BYTES,
    NAMES,
    DicomError,
    Parsed,
    number,
    parse,
    size,
    text,
    texts,
)

# Words for views, also of tables without DICOM; PS3.3, C.8.7.1.1.3 and C.8.11.5.1.1 have the codes.
VIEW = {
    "PA": "PA", "POSTEROANTERIOR": "PA", "AP": "AP", "ANTEROPOSTERIOR": "AP", "AP SUPINE": "AP",
    "AP ERECT": "AP", "AP AXIAL": "AP", "LATERAL": "LATERAL", "LAT": "LATERAL", "L": "LATERAL",
    "LL": "LATERAL", "RL": "LATERAL", "LLD": "LATERAL", "RLD": "LATERAL", "AP LLD": "LATERAL",
    "AP RLD": "LATERAL", "PA LLD": "LATERAL", "PA RLD": "LATERAL", "XTABLE LATERAL": "LATERAL",
}  # fmt: skip
OBLIQUE = ("LAO", "RAO", "LPO", "RPO", "OBL")
_IN_WORDS = {  # of codes, series and protocols
    "PA": r"\bP\.?A\b|POSTERO.?ANTERIOR",
    "AP": r"\bA\.?P\b|ANTERO.?POSTERIOR",
    "LATERAL": r"\bLAT(ERAL)?\b|\bLL\b|\bDECUB",
}
RADIOGRAPHY = ("", "CR", "DX", "DR", "RG")  # published sets leave the modality out
OTHERS = ("CT", "ES", "IO", "MG", "MR", "NM", "OT", "PT", "PX", "RF", "RTDOSE", "SC", "US", "XA")
CHEST = ("CHEST", "THORAX", "LUNG", "RIB", "TORAX", "THORACIC CAVITY")
ELSEWHERE = (
    "ABDOMEN", "ANKLE", "ARM", "BREAST", "CALCANEUS", "CLAVICLE", "COCCYX", "ELBOW", "EXTREMITY",
    "FACE", "FEMUR", "FIBULA", "FINGER", "FOOT", "HAND", "HEAD", "HIP", "HUMERUS", "JAW", "KNEE",
    "LEG", "NECK", "PATELLA", "PELVIS", "RADIUS", "SACRUM", "SCAPULA", "SHOULDER", "SKULL", "SPINE",
    "TEETH", "TIBIA", "TOE", "ULNA", "WRIST", "ZYGOMA",
)  # fmt: skip
_NO_IMAGES = {
    "Presentation State": "presentation state", " SR ": "structured report",
    "Segmentation": "segmentation", "Key Object": "key object selection",
    "Encapsulated": "encapsulated document",
}  # fmt: skip
# What a card may name in place of a column.
DESCRIBED = (
    "PatientID", "ViewPosition", "PatientSex", "PatientAge", "Manufacturer",
    "ManufacturerModelName", "InstitutionName", "StationName", "Modality",
)  # fmt: skip
NOBODY = {
    "ANON", "ANONYM", "ANONYMOUS", "ANONYMIZED", "ANONYMISED", "DEIDENTIFIED", "NONE", "NA", "N/A",
    "NOID", "PATIENT", "REMOVED", "TEST", "UNKNOWN", "XXX",
}  # fmt: skip


@dataclass(frozen=True)
class Film:
    """What a header says of a picture.

    Attributes:
        reason: why it is set aside; empty for a radiograph of a chest.
        values: texts by keyword of `DESCRIBED`; the view is PA, AP, LATERAL or empty, the patient
            has the issuer of the number before a line feed.
        uid: SOP Instance UID.
        identifiers: numbers, UIDs and dates that must reach no output, as words.
        names: of persons, likewise.
        burnt_in: the header says that letters are part of the picture.
        strange_part: the header names a part of the body that may be none of the chest.
    """

    reason: str = ""
    values: tuple[tuple[str, str], ...] = ()
    uid: str = ""
    identifiers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    burnt_in: bool = False
    strange_part: bool = False

    def value(self, keyword: str) -> str:
        """Text of a keyword, empty where there is none."""
        return dict(self.values).get(keyword, "")


def film_of(content: bytes) -> Film:
    """Read a whole file, or its first `parse.HEAD` bytes; a damaged one is set aside."""
    try:
        parsed = parse(content)
        reason = reason_against(parsed)
        if not reason:
            size(parsed)
    except DicomError as error:
        return Film(reason=str(error).removeprefix("is a "))
    header = parsed.header
    values = {keyword: " ".join(texts(header, keyword)) for keyword in DESCRIBED}
    values |= {"ViewPosition": view_of(parsed), "PatientID": patient_of(parsed)}
    part = text(header, "BodyPartExamined")
    return Film(
        reason="larger than any radiograph" if len(content) > MOST_BYTES else reason,
        values=tuple((keyword, value) for keyword, value in values.items() if value),
        uid="".join(texts(header, "SOPInstanceUID")),
        identifiers=tuple(each for keyword in IDENTIFIERS for each in texts(header, keyword)),
        names=tuple(
            part for keyword in NAMES for each in texts(header, keyword) for part in _parts(each)
        ),
        burnt_in=text(header, "BurnedInAnnotation") == "YES",
        strange_part=bool(part) and not any(word in part for word in CHEST),
    )


def reason_against(parsed: Parsed) -> str:
    """Why a file is no single gray picture of a chest, made to be looked at; empty if it is."""
    header = parsed.header
    kind = UID(text(header, "SOPClassUID"), IGNORE).name
    photometric = text(header, "PhotometricInterpretation")
    for words, reason in _NO_IMAGES.items():
        if words in kind:
            return reason
    if (modality := text(header, "Modality")) not in RADIOGRAPHY:
        return f"modality {modality}" if modality in OTHERS else "other modality"
    if text(header, "PresentationIntentType") == "FOR PROCESSING" or "For Processing" in kind:
        return "for processing, not for presentation"
    if parsed.pixels is None:
        return "no pixels"
    if number(header, "NumberOfFrames", 1) > 1:
        return "several frames"
    if number(header, "SamplesPerPixel", 1) != 1 or not photometric.startswith("MONOCHROME"):
        return "color" if photometric else "no photometric interpretation"
    part = text(header, "BodyPartExamined")
    if any(word in part for word in ELSEWHERE) and not any(word in part for word in CHEST):
        return "another part of the body"
    return "oblique view" if text(header, "ViewPosition").startswith(OBLIQUE) else ""


def view_of(parsed: Parsed) -> str:
    """View Position, else its code, else the only view that series and protocol mention."""
    header = parsed.header
    if view := VIEW.get(text(header, "ViewPosition")):
        return view
    codes = header.get("ViewCodeSequence")
    coded = [text(item, "CodeMeaning") for item in codes] if isinstance(codes, list) else []
    described = [text(header, keyword) for keyword in ("SeriesDescription", "ProtocolName")]
    for words in (" ".join(coded), " ".join(described).replace("_", " ")):
        found = [view for view, pattern in _IN_WORDS.items() if re.search(pattern, words)]
        if "LATERAL" in found and words == " ".join(coded):
            return "LATERAL"  # such as `postero-anterior lateral decubitus`
        if len(found) == 1:
            return found[0]
    return ""


def patient_of(parsed: Parsed) -> str:
    """Issuer and number of the patient; empty where the number is blank or stands for nobody."""
    name = text(parsed.header, "PatientID")
    nobody = re.sub(r"[\s_.-]+", "", name) in NOBODY or not name.strip("0 ")
    return "" if nobody else f"{text(parsed.header, 'IssuerOfPatientID')}\n{name}".lstrip("\n")


def _parts(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name)
