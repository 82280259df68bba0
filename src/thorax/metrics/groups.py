"""Groups of images by what is known of whom they show, and by what made them."""

import numpy as np
import pandas as pd

AGE_BANDS = {  # below so many years
    "0–17": 18,
    "18–39": 40,
    "40–59": 60,
    "60–79": 80,
    "80 and older": 200,
}


def attributes(images: pd.DataFrame) -> pd.DataFrame:
    """Group of each image as text, empty where unknown; only attributes with two groups or more.

    Args:
        images: all images of the data, with `patient_id`, `sex`, `age`, `view`, `vendor`, `site`.
            Follow-up is inferred from the order of a patient's image ids.
    """
    bands = [-1, *(years - 0.5 for years in AGE_BANDS.values())]
    age = pd.cut(images["age"], bands, labels=list(AGE_BANDS)).astype(object)
    visit = images.groupby("patient_id")["image_id"].rank(method="first")
    table = pd.DataFrame(
        {
            "sex": images["sex"],
            "age": age.where(age.notna(), ""),
            "view": images["view"],
            "vendor": images["vendor"],
            "site": images["site"],
            "visit": np.where(visit == 1, "first", "follow-up"),
        }
    ).astype(str)
    return table[[name for name in table if table[name][table[name] != ""].nunique() > 1]]
