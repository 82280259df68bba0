"""Patients identified from file names, by every rule that fits."""

import pytest

from thorax.patient_ids import fitting_rules, kermany_patient, nih_patient


@pytest.mark.parametrize(
    ("first", "second", "conservative", "namespaced"),
    [
        ("person12_virus_1.jpeg", "person12_virus_2.jpeg", True, True),
        ("person12_virus_1.jpeg", "person12_bacteria_2.jpeg", True, False),
        ("person12_virus_1.jpeg", "person13_virus_1.jpeg", False, False),
        ("IM-0115-0001.jpeg", "IM-0115-0001-0002.jpeg", True, True),
        ("IM-0115-0001.jpeg", "NORMAL2-IM-0115-0001.jpeg", True, False),
        ("VIRUS-12-1.jpeg", "VIRUS-12-2.jpeg", True, True),
        ("VIRUS-12-1.jpeg", "BACTERIA-12-1.jpeg", True, False),
        ("IM-0012-0001.jpeg", "person12_virus_1.jpeg", False, False),
    ],
)
def test_which_files_of_kermany_are_of_one_patient(first, second, conservative, namespaced):
    rules = {"conservative": conservative, "namespaced": namespaced}
    for rule, same in rules.items():
        patients = [kermany_patient(name, "", rule) for name in (first, second)]
        assert all(patients)
        assert (patients[0] == patients[1]) == same


@pytest.mark.parametrize(
    ("name", "same"), [("person1_virus_6.jpeg", False), ("VIRUS-1-1.jpeg", True)]
)
def test_only_the_third_version_numbers_patients_across_its_folders(name, same):
    subsets = [kermany_patient(name, subset, "conservative") for subset in ("trainval", "test")]
    assert (subsets[0] == subsets[1]) == same


def test_the_patient_of_an_nih_file_is_its_first_number():
    assert nih_patient("00000013_005.png") == "00000013"
    assert nih_patient("13_005.png") == ""


def test_every_rule_that_fits_the_names_is_applied():
    kermany = ["person12_bacteria_1.jpeg", "person12_virus_9.jpeg", "IM-0001-0001.jpeg"]
    rules = fitting_rules(kermany, [""] * 3)
    assert list(rules) == ["conservative", "namespaced"]
    assert rules["conservative"][0] == rules["conservative"][1]
    assert rules["namespaced"][0] != rules["namespaced"][1]
    apart = fitting_rules(kermany, ["trainval", "test", "test"])["conservative"]
    assert apart[0] != apart[1]
    assert fitting_rules(["a.zip!i/00000013_005.png"], ["test"]) == {"nih": ["00000013"]}
    assert fitting_rules(["a.png", "b.png"], ["", ""]) == {}
    assert fitting_rules([], []) == {}


@pytest.mark.parametrize(("strangers", "fits"), [(1, True), (2, False)])
def test_a_rule_may_miss_one_name_in_ten(strangers, fits):
    names = [f"{i:08}_000.png" for i in range(10 - strangers)] + ["x.png"] * strangers
    assert ("nih" in fitting_rules(names, [""] * 10)) == fits
