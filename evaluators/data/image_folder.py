"""A user's own images, a folder for each class."""

from dataclasses import dataclass
from typing import ClassVar

from evaluators.data import DATA
from evaluators.data.labelled import ClassFolders


@DATA.register("image_folder")
@dataclass(frozen=True)
class ImageFolder(ClassFolders):
    """<root>/{train,val}/<class>/ with JPEG or PNG images. The classes are the folder names of train, sorted; val may lack one, but
    may not have another. `crop`: validation keeps this part of an image's shorter side, from the centre. Images are turned upright
    where their EXIF says how."""

    upright: ClassVar[bool] = True
