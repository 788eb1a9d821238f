"""Errors named for their cause; each message holds the offending value and the way out."""


class KbError(Exception):
    """Base of everything that kb reports to its user in one line."""


class BadQuery(KbError):
    """The question is empty or too long, or `top` is out of range."""


class BadInput(KbError):
    """A path, option or input line that cannot be used."""


class BadSettings(BadInput):
    """A file that the settings name, of banks or of the taxonomy, cannot be used."""


class UnknownName(KbError):
    """A bank, dimension, topic or report that is not known; the message names the nearest ones."""


class NothingMatches(KbError):
    """The filters are known, and no passage matches them all."""


class UnreadableFile(KbError):
    """A file that no reader could make pages of."""


class WrongPassword(UnreadableFile):
    """The file is encrypted, and no password that was given opens it."""


class ModelUnavailable(KbError):
    """The embedding model cannot be loaded."""


class ModelMismatch(KbError):
    """The index was made with another model than the one that is set."""


class IndexMissing(KbError):
    """There is no index in the folder."""


class IndexDamaged(KbError):
    """The index is there and cannot be used: not a store of ours, of another version, or broken."""


class IndexBusy(KbError):
    """Another process is writing to the index."""


class DiskFull(KbError):
    """No space is left where the index lies; what was being stored is not kept."""


class NotFound(KbError):
    """No document, passage or job has this id."""


class UploadTooLarge(KbError):
    """The file is larger than the server takes."""


class WrongType(KbError):
    """The content of the file is none that can be read, whatever its name says."""


class QueueFull(KbError):
    """So many jobs are waiting that the server takes no more for now."""


class Superseded(KbError):
    """The report has a newer version, which stands for it in searches."""


class JobEnded(KbError):
    """The job has ended, or sets tags, which is not broken off: there is nothing to cancel."""


class NoPicture(KbError):
    """The report is a text, Markdown or Word file: it has no pages that could be drawn."""


class FileChanged(KbError):
    """The file of a report is gone, or is another one than was read."""


class PicturesBusy(KbError):
    """Pages of other requests are being drawn."""


class QuoteNotFound(KbError):
    """A quote does not stand in the stored text of its page."""
