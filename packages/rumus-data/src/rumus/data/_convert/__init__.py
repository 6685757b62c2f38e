"""Record files of what data usually comes as: tables, arrays, and folders of images."""
