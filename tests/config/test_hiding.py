from durward.config.hiding import hide_secrets
from durward.config.load import compose
from durward.config.mistakes import Source


def test_values_under_keys_that_speak_of_secrets_are_hidden() -> None:
    text = """
providers:
  a: {credential: open sesame, protocol: openai}
  b: {credential: env:NAME}
  c:
    credential: {header: X-Key, value: 'open sesame'}
  d: {credential: {value: "Bearer ${env:X}"}}
  e:
    api_key:
      - open sesame
      - nested: [open sesame]
  f:
    credential: "open
      sesame", x: y
""".replace(", x: y", "")
    source = Source("f", text)
    root = compose(source, text)
    assert root is not None
    hide_secrets(source, root)
    shown = "\n".join(source.line(number) for number in range(text.count("\n")))
    assert "sesame" not in shown
    assert "open" not in shown.replace("openai", "")
    for legible in ("openai", "env:NAME", "X-Key", "Bearer ${env:X}", "nested", "api_key"):
        assert legible in shown
