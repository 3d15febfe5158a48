from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import label_issues


@pytest.mark.slow
def test_every_search_and_method_has_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    searches = {"head on pixels": {"embedding": "pixels"}}
    monkeypatch.setattr(label_issues, "SEARCHES", searches)
    told = label_issues.recovered(tmp_path, 0.025, 3)
    assert told["head on pixels"]["recovery"]["flipped"] == 27
    lines = label_issues.table([told]).splitlines()[2:]
    assert len(lines) == len(label_issues.METHODS) + 1
    suspicion = lines[0].split(" | ")
    assert suspicion[1] == "suspicion" and float(suspicion[2]) > 0.9
