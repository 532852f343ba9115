"""What every probe takes on its command line."""

from __future__ import annotations

import pytest

from verify.probes import tcp
from verify.probes.arguments import parser


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["host", "--ports", "abc"], "--ports: 'abc' is not a port or a range such as 8000-8010."),
        (["host", "--ports", "9-3"], "--ports: '9-3' is not within 1-65535 or ends before it starts."),
        (["host"], "the following arguments are required: --ports."),
    ],
)
def test_what_is_wrong_is_one_sentence_with_where_to_read_what_is_right(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["probe", *argv])
    with pytest.raises(SystemExit) as ended:
        tcp.main()
    assert ended.value.code == 2
    remedy = "  See what it takes: python -m verify.probes.tcp --help\n"
    assert capsys.readouterr().err == f"error: {said}\n{remedy}"


def test_a_time_limit_that_is_no_number_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser("verify.probes.tcp", "").parse_args(["host", "--timeout", "soon"])
    assert capsys.readouterr().err.startswith("error: --timeout: invalid float value: 'soon'.\n")
