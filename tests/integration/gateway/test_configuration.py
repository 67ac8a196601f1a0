"""A configuration examined: what stands in the files that it names, and whether a gateway can run there."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from config import starter
from config.errors import ConfigErrors
from iso_gateway import configuration
from iso_gateway.documents.rendering import mistakes_in
from iso_gateway.site import Site
from iso_gateway.store.keyring import create_master_key

Edit = Callable[[str, str], None]


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    """The starting configuration."""
    return starter.write(tmp_path)[0]


@pytest.fixture
def edit(gateway: Path) -> Edit:
    """A function that replaces a text of gateway.toml that stands there once."""

    def replace(old: str, new: str) -> None:
        content = gateway.read_text(encoding="utf-8")
        assert content.count(old) == 1
        gateway.write_text(content.replace(old, new), encoding="utf-8")

    return replace


def problems(gateway: Path) -> list[str]:
    """What is said against it, with paths from its directory."""
    with pytest.raises(ConfigErrors) as caught:
        configuration.examine(gateway)
    return [str(error).replace(f"{gateway.parent}/", "") for error in caught.value.errors]


def test_what_is_right_is_given_with_what_is_doubted(gateway: Path) -> None:
    examined = configuration.examine(gateway)
    assert examined.settings == configuration.read(gateway)
    assert [one.key for one in examined.warnings] == ["mail"]


class TestMasterKey:
    @pytest.fixture
    def key(self, gateway: Path) -> Path:
        """The key, and no database yet."""
        file = gateway.parent / "state" / "master.key"
        file.parent.mkdir()
        create_master_key(file)
        return file

    def test_before_the_first_start_there_need_be_none(self, gateway: Path) -> None:
        configuration.examine(gateway)
        (gateway.parent / "state").mkdir()
        configuration.examine(gateway)

    def test_beside_a_database_it_is_missed(self, gateway: Path) -> None:
        Site.create_or_open(configuration.read(gateway)).close()
        configuration.examine(gateway)
        (gateway.parent / "state" / "master.key").unlink()
        [line] = problems(gateway)
        assert line.startswith(
            "gateway.toml: master_key_file: master key file 'state/master.key' is missing;"
        )

    def test_one_that_others_may_read_is_said(self, gateway: Path, key: Path) -> None:
        configuration.examine(gateway)
        key.chmod(0o644)
        [line] = problems(gateway)
        assert "may be used by others (mode 0644); run chmod 600 on it" in line

    def test_one_that_is_none_is_said_without_what_it_holds(self, gateway: Path, key: Path) -> None:
        key.write_text("hushhush", encoding="ascii")
        [line] = problems(gateway)
        assert "holds 6 octets, not 32" in line
        assert "hush" not in line

    def test_a_directory_in_its_place_is_said(self, gateway: Path, edit: Edit) -> None:
        edit('# master_key_file = "state/master.key"', 'master_key_file = "partners"')
        [line] = problems(gateway)
        assert "cannot read master key file 'partners': Is a directory" in line

    def test_where_nobody_may_look_it_is_asked_for(
        self, gateway: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (gateway.parent / "state").mkdir()
        # Root, as tests may be, may look everywhere.
        monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.X_OK)
        [line] = problems(gateway)
        assert line.startswith(
            "gateway.toml: master_key_file: master key file 'state/master.key' is missing;"
        )

    def test_where_the_gateway_could_not_make_it_is_said(
        self, gateway: Path, edit: Edit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        edit('# master_key_file = "state/master.key"', 'master_key_file = "keys/master.key"')
        configuration.examine(gateway)
        (gateway.parent / "keys").mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: mode == os.X_OK or Path(path).name != "keys")
        [line] = problems(gateway)
        assert line.startswith("gateway.toml: master_key_file: 'keys' cannot be written by this user")


def test_a_url_that_only_the_database_library_refuses_is_said_without_its_password(
    gateway: Path, edit: Edit
) -> None:
    edit(
        '# database_url = "sqlite:///state/gateway.db"',
        'database_url = "postgresql://gate:hush@c:d@host/ill"',
    )
    [line] = problems(gateway)
    assert line.startswith(
        "gateway.toml: database_url: the database URL is not one; give sqlite:///PATH or po"
    )
    assert "hush" not in line


class TestState:
    def test_a_file_in_its_place_is_said(self, gateway: Path, edit: Edit) -> None:
        edit('state_dir = "state"', 'state_dir = "gateway.toml/state"')
        [line] = problems(gateway)
        assert line == (
            "gateway.toml: state_dir: 'gateway.toml' is no directory;"
            " expected a directory of the user that the gateway runs as"
        )

    @pytest.mark.parametrize(
        ("made", "expected"),
        [("state", "'state' cannot be written by this user"), ("else", "'state' cannot be made, because '")],
    )
    def test_what_cannot_be_written_is_said(
        self, gateway: Path, monkeypatch: pytest.MonkeyPatch, made: str, expected: str
    ) -> None:
        (gateway.parent / made).mkdir()
        monkeypatch.setattr(os, "access", lambda _path, mode: mode == os.X_OK)
        [line] = problems(gateway)
        assert line.startswith(f"gateway.toml: state_dir: {expected}")
        assert f"(id {os.geteuid()})" in line


class TestTemplates:
    @pytest.fixture
    def own(self, gateway: Path, edit: Edit) -> Path:
        """The directory of the site's own templates, with none in it."""
        edit("[logging]", '[documents]\ntemplate_dir = "letters"\n\n[logging]')
        directory = gateway.parent / "letters"
        (directory / "en").mkdir(parents=True)
        return directory

    def test_a_copy_of_ours_is_right(self, gateway: Path, own: Path) -> None:
        ours = Path(str(configuration.__file__)).parent / "documents" / "templates"
        shutil.copytree(ours, own, dirs_exist_ok=True)
        configuration.examine(gateway)

    def test_none_that_would_be_used_is_said(self, gateway: Path, own: Path) -> None:
        (own / "letter.txt").write_text("{{ link }}", encoding="utf-8")
        [line] = problems(gateway)
        assert "letters: none of en/subject.txt, en/letter.txt, " in line
        assert "so it changes no mail" in line

    def test_every_mistake_is_said_with_file_and_line_beside_all_others(
        self, gateway: Path, own: Path, edit: Edit
    ) -> None:
        (own / "en" / "letter.txt").write_text("{{ link }}\n{% if %}\n", encoding="utf-8")
        (own / "en" / "letter.html").write_text("<p>\n{{ titel }}</p>", encoding="utf-8")
        edit("port = 1611", 'port = "x"')
        edit("max_depth = 32", "max_dpeth = 32")
        lines = problems(gateway)
        assert [line.partition(";")[0] for line in lines[:2]] == [
            "gateway.toml: listeners[0].port: 'x' cannot stand here",
            "gateway.toml: limits.max_dpeth: unknown key",
        ]
        expected = "; expected a template as docs/documents.md has it"
        first = "Expected an expression, got 'end of statement block' (TemplateSyntaxError)"
        assert lines[2:] == [
            f"letters/en/letter.txt: line 2: {first}{expected}",
            f"letters/en/letter.html: line 2: it uses 'titel', and a mail has no such value{expected}",
        ]

    @pytest.mark.parametrize(
        ("template", "line", "problem"),
        [
            (b"\n\n{{ title.__class__.__mro__ }}", 3, "unsafe (SecurityError)"),
            (b"\n{{ 1 / 0 }}", 2, "an expression in it fails (ZeroDivisionError)"),
            (b"\n{% include '../../secret' %}", 2, "there is no template '../../secret'"),
            (b"1\n2\n\xff", 3, "is not UTF-8"),
            (b"{{ title|nofilter }}", 1, "No filter named 'nofilter' (TemplateAssertionError)"),
            (
                b"{% if not title %}\n{{ title.no.no }}{% endif %}",
                2,
                "has no attribute 'no' (UndefinedError)",
            ),
            (b"{% for i in '12' %}{{ i }}", 1, "Unexpected end of template"),
        ],
    )
    def test_what_can_be_wrong(self, own: Path, template: bytes, line: int, problem: str) -> None:
        (own / "en" / "subject.txt").write_bytes(template)
        [mistake] = mistakes_in(own)
        assert (mistake.file, mistake.line) == (own / "en" / "subject.txt", line)
        assert problem in mistake.problem

    def test_a_template_that_is_included_is_blamed_itself(self, own: Path) -> None:
        (own / "en" / "letter.txt").write_text("{% include 'foot.txt' %}", encoding="utf-8")
        (own / "foot.txt").write_text("\n{{ titel }}", encoding="utf-8")
        [mistake] = mistakes_in(own)
        assert (mistake.file, mistake.line) == (own / "foot.txt", 2)

    def test_a_directory_in_place_of_one_is_said(self, own: Path) -> None:
        (own / "en" / "letter.txt").mkdir()
        [mistake] = mistakes_in(own)
        assert (mistake.file, mistake.line) == (own / "en" / "letter.txt", None)
        assert mistake.problem == "cannot be read: Is a directory"


class TestDailyTemplates:
    @pytest.fixture
    def own(self, gateway: Path, edit: Edit) -> Path:
        """A copy of our templates for daily mails, as the site's own."""
        edit("[noticing]\n", '[noticing]\ntemplate_dir = "daily"\n')
        ours = Path(str(configuration.__file__)).parent / "noticing" / "templates"
        return Path(shutil.copytree(ours, gateway.parent / "daily"))

    def test_a_copy_of_ours_is_right(self, gateway: Path, own: Path) -> None:
        assert own.is_dir()
        configuration.examine(gateway)

    def test_one_that_is_wrong_only_where_nothing_stands_is_said(self, gateway: Path, own: Path) -> None:
        file = own / "fr" / "daily.txt"
        file.write_text("{{ total }}\n{% if not total %}\n{{ new[0].title }}\n{% endif %}", encoding="utf-8")
        [line] = problems(gateway)
        assert line.startswith("daily/fr/daily.txt: line 3: ")
        assert line.endswith("; expected a template as docs/noticing.md has it")
        file.write_text("{% for one in new %}{{ one.patron }}{% endfor %}", encoding="utf-8")
        [line] = problems(gateway)
        assert line.startswith("daily/fr/daily.txt: line 1: ")
        assert "has no attribute 'patron'" in line
