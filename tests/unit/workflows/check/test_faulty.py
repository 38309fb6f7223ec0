"""Faulty workflow files, each with what a helpful colleague would say about it.

`python tests/unit/workflows/check/test_faulty.py` writes the .expected files; read every change before you commit it.
"""

from pathlib import Path

import pytest

from workflows.loader import check_paths
from workflows.problems import Problem, human

FAULTY = Path(__file__).parent / "faulty"
CASES = sorted(path for path in FAULTY.iterdir() if path.suffix == ".yaml" or path.is_dir())


def told(case: Path) -> str:
    """What is said about a file or folder, with paths as they are from the folder of the cases."""
    found = [
        Problem(
            problem.file.removeprefix(f"{FAULTY}/"),
            problem.line,
            problem.col,
            problem.message.replace(f"{FAULTY}/", ""),
            problem.severity,
            problem.source_line,
            problem.width,
        )
        for problem in check_paths([case])
    ]
    return human(found) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_faulty_file_is_explained(case: Path) -> None:
    assert told(case) == case.with_suffix(".expected").read_text()


def test_every_file_has_its_expected_output_and_the_other_way_round() -> None:
    assert len(CASES) >= 40
    assert {path.stem for path in FAULTY.glob("*.expected")} == {path.stem for path in CASES}


if __name__ == "__main__":
    for case in CASES:
        case.with_suffix(".expected").write_text(told(case))
