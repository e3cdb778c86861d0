"""ImageNet-1k, in its published folders."""

from dataclasses import dataclass
from typing import ClassVar

from evaluators.data import DATA
from evaluators.data.labelled import ClassFolders


@DATA.register("imagenet")
@dataclass(frozen=True)
class ImageNet(ClassFolders):
    """ILSVRC 2012: 1,281,167 training and 50,000 validation images of 1,000 classes, {train,val}/<wnid>/*.JPEG. The validation
    images lie in a folder for each wnid too, as the usual scripts sort them. Source: arXiv 1409.0575

    `crop`: validation keeps this part of an image's shorter side, from the centre; 0.9 for most published networks of this size.
    """

    published: ClassVar[int] = 1000
    expected: ClassVar[str] = "the folder of ILSVRC 2012 that holds train/<wnid>/*.JPEG and val/<wnid>/*.JPEG, 1000 of each"
