"""config.yaml, read strictly: what YAML would turn into something else stays what was written, or is refused with its line."""

from pathlib import Path

import pytest

from bot.config import Config, Secrets, load_config, parse_config
from engine.errors import ConfigError

REPO = Path(__file__).parents[2]


def complaint(text):
    """What is said of a malformed file; always one line that starts with the file."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "c.yaml")
    message = str(caught.value)
    assert message.startswith("c.yaml") and "\n" not in message
    return message


def test_the_file_of_the_repository_equals_the_defaults():
    assert load_config(REPO / "config.yaml") == Config()


def test_every_section_and_key_stands_in_the_file_of_the_repository():
    text = (REPO / "config.yaml").read_text()
    for name, field in Config.model_fields.items():
        assert f"\n{name}:" in text
        keys = getattr(field.annotation, "model_fields", ())
        assert all(f" {key}: " in text for key in keys), name


def test_an_empty_file_and_an_empty_section_mean_the_defaults():
    assert parse_config("", "c") == parse_config("# nothing\nibkr:\n", "c") == Config()


def test_on_and_no_are_tickers():
    scenarios = parse_config(
        "scenarios:\n  equity_futures: [ON, NO, Y]\n  leveraged_funds: {ON: 2}\n", "c"
    ).scenarios
    assert scenarios.equity_futures == ("ON", "NO", "Y")
    assert scenarios.leveraged_funds == {"ON": 2}


@pytest.mark.parametrize("text", ["ON", "NO", "yes", "off", "1", "0", '"true"'])
def test_only_true_and_false_are_booleans(text):
    assert "line 2: alerts.console" in complaint(f"alerts:\n  console: {text}\n")


def test_true_and_false_are_booleans():
    assert parse_config("alerts: {console: false, enabled: true}", "c").alerts.console is False


@pytest.mark.parametrize(
    "number",
    [
        ".nan",
        ".inf",
        "-.inf",
        ".NaN",
        "1e999",
        "-1e999",
        "1:30",
        "0x1F",
        "0o17",
        "1_000",
        "017",
        "'5'",
        "true",
        "nan",
        "~",
    ],
)
def test_what_is_not_a_finite_decimal_number_is_refused(number):
    assert "line 3: data.stale_after:" in complaint(f"data:\n  cache_ttl: 1\n  stale_after: {number}\n")


@pytest.mark.parametrize(
    ("number", "value"), [("5", 5.0), ("5.5", 5.5), ("+7", 7.0), ("1e1", 10.0), ("2.5E+1", 25.0)]
)
def test_ordinary_numbers_are_read(number, value):
    assert parse_config(f"data: {{stale_after: {number}}}", "c").data.stale_after == value


def test_an_account_of_digits_with_a_leading_zero_stays_text():
    assert parse_config("ibkr: {account: 0123}", "c").ibkr.account == "0123"


def test_a_date_stays_text():
    assert parse_config("ibkr: {account: 2026-07-28}", "c").ibkr.account == "2026-07-28"


def test_an_unknown_key_is_refused_with_its_line_and_what_is_allowed():
    message = complaint("ibkr:\n  host: a\n\n  prot: 1\n")
    assert "line 4: ibkr.prot: unknown key; allowed here: host, port, client_id, account" in message


def test_an_unknown_section_is_refused_with_the_sections():
    message = complaint("ibkr: {}\nrisks: {}\n")
    assert "line 2: risks: unknown key" in message and "risk_limits" in message


def test_a_section_that_stands_twice_is_refused_with_the_second_line():
    assert "line 3: the key 'ibkr' stands twice" in complaint("ibkr: {}\ndata: {}\nibkr: {}\n")


def test_a_nested_key_that_stands_twice_is_refused():
    assert "line 3: the key 'port' stands twice" in complaint("ibkr:\n  port: 1\n  'port': 2\n")


def test_merge_keys_are_refused():
    assert "line 2: the key '<<'" in complaint("ibkr:\n  <<: {port: 1}\n")


@pytest.mark.parametrize("text", ["ibkr: &a {port: 1}\n", "ibkr: *a\n", "ibkr: {port: !!int '5'}"])
def test_anchors_aliases_and_tags_are_refused_with_their_line(text):
    assert "c.yaml, line 1: " in complaint(text)


@pytest.mark.parametrize("key", ["1", "true", "~", "1.5", "[a]"])
def test_a_key_that_is_not_text_is_refused(key):
    assert "must be a plain text" in complaint(f"scenarios:\n  leveraged_funds:\n    {key}: 2\n")


def test_an_alias_that_holds_itself_is_refused():
    assert "line 1" in complaint("ibkr: &a {host: *a}")


@pytest.mark.parametrize("text", ["[1, 2]", "just text", "5"])
def test_a_file_without_sections_is_refused(text):
    assert "must hold sections" in complaint(text)


def test_a_list_in_the_place_of_a_section_is_refused_with_its_keys():
    assert "line 1: ibkr: must be a section with keys of its own: host, port" in complaint("ibkr:\n  - a\n")


@pytest.mark.parametrize(
    "text", ["[[[", "a: b: c", "\tibkr: {}", "a: 'open", "ibkr: {port: !!python/name:os.system x}"]
)
def test_what_is_not_yaml_is_refused_with_a_line(text):
    assert "c.yaml, line 1: " in complaint(text)


@pytest.mark.parametrize("text", ["{" * 3000, "a: \x00", "data: {cache_ttl: " + "9" * 5000 + "}"])
def test_hostile_text_is_refused_without_a_traceback(text):
    complaint(text)


@pytest.mark.parametrize("value", ["!!int ''", "!!bool maybe", "!!timestamp foo", "!!float ''"])
def test_a_tagged_scalar_is_refused_without_a_traceback(value):
    complaint(f"ibkr: {{port: {value}}}")


def test_a_key_with_a_line_break_makes_a_message_of_one_line():
    complaint('"a\\nb": 1')


def test_a_value_out_of_range_is_refused_with_the_range_and_the_value():
    message = complaint("ibkr:\n  port: 70000\n")
    assert "line 2: ibkr.port: must be less than or equal to 65535, not 70000" in message


def test_a_bad_item_of_a_list_is_found_at_its_own_line():
    assert "line 4: telegram.allowed_users.1:" in complaint("telegram:\n  allowed_users:\n    - 1\n    - x\n")


def test_a_bad_item_of_a_table_is_found_at_its_own_line():
    assert "line 4: scenarios.leveraged_funds.BBB:" in complaint(
        "scenarios:\n  leveraged_funds:\n    AAA: 2\n    BBB: .inf\n"
    )


def test_two_limits_that_contradict_each_other_are_refused():
    text = "risk_limits:\n  warn_portfolio_loss: 0.2\n  max_portfolio_loss: 0.1\n"
    assert "line 1: risk_limits: warn_portfolio_loss must not exceed max_portfolio_loss" in complaint(text)


def test_a_choice_that_does_not_exist_is_refused_with_the_choices():
    message = complaint("scenarios: {spot_model: gamma}")
    assert "uniform" in message and "beta" in message and "gamma" in message


def test_several_mistakes_are_counted():
    assert complaint("ibkr: {port: 0}\ndata: {cache_ttl: -1}").endswith("(and 1 more)")


def test_a_time_zone_that_does_not_exist_is_refused():
    assert "schedule.time_zone: 'Mars/Base' is not a time zone" in complaint(
        "schedule: {time_zone: Mars/Base}"
    )


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: can't be read: No such file"):
        load_config(tmp_path / "none.yaml")


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"ibkr: {host: \xff}")
    with pytest.raises(ConfigError, match=r"c\.yaml: can't be read: it is not UTF-8"):
        load_config(tmp_path / "c.yaml")


def test_a_token_comes_from_the_environment_and_is_never_shown(monkeypatch):
    monkeypatch.setenv("RISKBOT_TELEGRAM_TOKEN", "1:secret")
    secrets = Secrets()
    assert secrets.token().get_secret_value() == "1:secret"
    assert "secret" not in f"{secrets!r} {secrets} {secrets.token()!r} {secrets.model_dump_json()}"


def test_a_token_comes_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "token").write_text("1:secret\n")
    monkeypatch.delenv("RISKBOT_TELEGRAM_TOKEN", raising=False)
    monkeypatch.setenv("RISKBOT_TELEGRAM_TOKEN_FILE", str(tmp_path / "token"))
    assert Secrets().token().get_secret_value() == "1:secret"


def test_without_a_token_the_variable_is_named(monkeypatch):
    monkeypatch.delenv("RISKBOT_TELEGRAM_TOKEN", raising=False)
    monkeypatch.delenv("RISKBOT_TELEGRAM_TOKEN_FILE", raising=False)
    with pytest.raises(ConfigError, match="set RISKBOT_TELEGRAM_TOKEN"):
        Secrets().token()


# The address of the Treasury's yields


@pytest.mark.parametrize("text", ["null", "''", '""', "~", ""])
def test_without_an_address_the_curve_is_switched_off(text):
    assert parse_config(f"data:\n  treasury_url: {text}\n", "c").data.treasury_url is None


def test_another_address_may_be_given():
    data = parse_config("data: {treasury_url: 'http://127.0.0.1:8000/rates.csv'}", "c").data
    assert data.treasury_url == "http://127.0.0.1:8000/rates.csv"


@pytest.mark.parametrize("text", [
    "fred", "ftp://a/b", "http://", "http://a:99999/", "http://a b/", "false", "5", "https://a/b.csv?id=1", "https://a/b#c",
])  # fmt: skip
def test_what_is_no_plain_web_address_is_refused_with_its_line(text):
    assert "line 2: data.treasury_url: " in complaint(f"data:\n  treasury_url: '{text}'\n")


@pytest.mark.parametrize("text", ["false", "5", "[a]", "0"])
def test_only_nothing_switches_the_curve_off(text):
    assert "line 2: data.treasury_url: " in complaint(f"data:\n  treasury_url: {text}\n")


def test_custom_scenarios_are_texts_by_name():
    config = parse_config("custom_scenarios:\n  Crash2: spy -7% puts +40% 2d\n", "c")
    assert config.custom_scenarios == {"crash2": "spy -7% puts +40% 2d"}
    assert config.engine.custom_scenarios == config.custom_scenarios


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("  crash2: spy -7", "line 3: custom_scenarios.crash2: I stopped at '-7' after 'spy'"),
        ("  weekend: spy -7%", "has a meaning of its own"),
        ("  two words: spy -7%", "can't name a scenario"),
        ("  crash2: -7", "line 3: custom_scenarios.crash2: "),
        ("  crash2: {spot: -7}", "line 3: custom_scenarios.crash2: "),
        ("  crash2: null", "line 3: custom_scenarios.crash2: "),
        ("  Crash: spy -7%\n  crash: spy -8%", "stands twice"),
    ],
)
def test_a_custom_scenario_that_can_t_be_run_is_refused_with_its_line(lines, words):
    assert words in complaint(f"# mine\ncustom_scenarios:\n{lines}\n")
