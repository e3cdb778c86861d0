from space import lint


def test_a_healthy_space(load, template):
    seen = []
    space = load(template)
    report = lint(space, classes=5, samples=4, macs=lambda arch: arch.arch["stage1"]["dim"], progress=lambda *n: seen.append(n))
    changes = len(list(space.changes(space.baseline)))
    assert report.healthy
    assert report.looked_at == 1 + changes + 4 == len(seen)
    assert seen[-1] == (report.looked_at, report.looked_at)
    assert report.shapes == {"(1, 5, 8, 8)": report.looked_at}
    assert report.costs["macs_g"] == (4, 4, 8)
    low, base, high = report.costs["params_m"]
    assert low < base < high
    assert "tiny: 10,530 members, 14 holes" in report.text()
    assert report.text().endswith("healthy")


def test_broken_members_and_dead_choices_are_named(load, template):
    template["stage1"]["mixer"]["attention"]["heads"]["choice"] = [1, 3]
    space = load(template, rules=["stage1.mixer.attention.kv == 'conv'", "stage2.scale + encoder.layer.count < 4.5"])
    report = lint(space, classes=5, samples=0)
    assert report.broken == (("stage1.mixer.attention.heads: 1 -> 3", "ValueError: 3 heads do not divide 4 channels"),)
    assert report.dead == ("stage1.mixer.attention.kv: pool (by the rules)",)
    assert "broken: stage1.mixer.attention.heads: 1 -> 3: ValueError" in report.text()
    assert report.text().endswith("1 dead choices, 1 broken members")


def test_a_narrowed_space_whose_baseline_is_outside(load, template, base):
    space = load(template, where=["stage1.dim == 6"], known=["base"], narrowed=True)
    report = lint(space, classes=5, samples=2)
    assert report.healthy is False
    assert report.dead == ("stage1.dim: 4 (by the rules)", "stage1.dim: 8 (by the rules)")
    assert "outside this narrowed space: base" in report.text()


def test_an_empty_space_is_reported(load, template):
    report = lint(load(template, where=["stage1.dim == 5"], narrowed=True), classes=5)
    assert "0 members" in report.text()
    assert "empty: the rules leave no member" in report.text()
    assert not report.healthy
    assert report.looked_at == 1
