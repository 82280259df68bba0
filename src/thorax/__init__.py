"""thorax: train chest X-ray classifiers whose numbers can be repeated and believed."""
