from made_up import survey_of
from thorax.download.sources.match import match_images, shared_folders


def test_shared_folders():
    assert shared_folders(["a/b/1.png", "a/b/c/2.png", "a/b/c/3.png"]) == 2
    assert shared_folders(["a/1.png", "2.png"]) == 0
    assert shared_folders([]) == 0


def test_names_match_the_end_of_a_path_only_at_a_folder():
    images = survey_of(["x.zip!deep/train/p1/v.png", "deep/train/p11/v.png"]).images
    matches = match_images(["p1/v.png", "p11/v.png", "1/v.png"], images)
    assert matches.locations == ["x.zip!deep/train/p1/v.png", "deep/train/p11/v.png", ""]


def test_folders_that_all_names_share_may_be_missing_on_disk():
    images = survey_of(["train/p1/v.png", "train/p2/v.png"]).images
    names = ["CheXpert-v1.0/train/p1/v.png", "CheXpert-v1.0/train/p2/v.png"]
    assert match_images(names, images).locations == ["train/p1/v.png", "train/p2/v.png"]


def test_a_folder_that_distinguishes_images_is_never_dropped():
    images = survey_of(["b/v.png"]).images
    assert match_images(["a/v.png", "b/v.png"], images).locations == ["", "b/v.png"]
    assert match_images(["a/v.png"], survey_of(["v.png"]).images).locations == ["v.png"]
    assert match_images(["a/v.png", "b/w.png"], survey_of(["v.png", "w.png"]).images).locations == [
        "",
        "",
    ]


def test_names_of_different_depth():
    names = ["x.png", "a/v.png"]
    matches = match_images(names, survey_of(names).images)
    assert (matches.locations, matches.notes, matches.problems) == (names, [], [])


def test_windows_and_absolute_names():
    images = survey_of(["files/p10/x.jpg"]).images
    assert match_images([r"files\p10\x.jpg"], images).locations == ["files/p10/x.jpg"]
    assert match_images(["/data/mimic/files/p10/x.jpg"], images).locations == ["files/p10/x.jpg"]


def test_copies_are_noted_and_a_plain_file_preferred():
    packed, plain = "i.tar.gz!images/a.png", "images/unpacked/a.png"
    matches = match_images(["a.png"], survey_of([packed, plain], same={packed: plain}).images)
    assert matches.locations == [plain]
    assert "1 images lie on disk more than once" in matches.notes[0]
    assert not matches.problems


def test_one_name_for_different_files_is_a_problem():
    matches = match_images(["a.png"], survey_of(["x/a.png", "y/a.png"]).images)
    assert "1 names match several different files" in matches.problems[0]
    assert "x/a.png and y/a.png" in matches.problems[0]


def test_no_names_is_no_crash():
    assert match_images([], survey_of(["a.png"]).images).locations == []


def test_many_files_of_one_name_take_no_quadratic_time():
    """CheXpert has 190,000 files called view1_frontal.jpg; comparing all pairs would take hours."""
    names = [f"p{i}/view1_frontal.jpg" for i in range(20_000)]
    assert match_images(names, survey_of(names).images).locations == names
