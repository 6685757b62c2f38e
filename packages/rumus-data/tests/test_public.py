"""The names that users and siblings rely on."""

import rumus.data


def test_all_public_names_are_listed_and_sorted() -> None:
    names = rumus.data.__all__
    assert sorted(names) == names
    public = {name for name in vars(rumus.data) if not name.startswith("_")}
    assert public == set(names) - {"__version__"}
