"""Whether artefacts belong together: nothing is shown of what was made from something else."""

from __future__ import annotations

from cache.artefact import Artefact
from cache.errors import CorruptArtefactError
from cache.store import Workspace


def made_anew(workspace: Workspace, artefact: Artefact) -> str | None:
    """Key of something that an artefact was made from and that is another one now, if any.

    Args:
        workspace: Where they are.
        artefact: It is there.
    """
    for key, digest in artefact.manifest.inputs.items():
        source = Artefact(workspace.folder / key, workspace.command)
        if source.exists and source.manifest.digest != digest:
            return key
    return None


def check_inputs(artefact: Artefact, workspace: Workspace, what: str) -> None:
    """Refuse an artefact that was made from something else than what is there now.

    Args:
        artefact: Which one.
        workspace: Where it is.
        what: What it is called in the message: ``The artefact 'clusters' of …``.

    Raises:
        MissingArtefactError: It is not there.
        CorruptArtefactError: What it was made from has been made anew since.
    """
    other = made_anew(workspace, artefact)
    if other is not None:
        raise CorruptArtefactError(
            f"{what} was made from another '{other}' than the workspace '{workspace.name}' has "
            f"now. Make it again: {workspace.command}"
        )


def check_decisions(workspace: Workspace) -> None:
    """Refuse decided labels that were gathered for other samples than those there now.

    Raises:
        MissingArtefactError: They have not been gathered yet.
        CorruptArtefactError: The samples have been made anew since.
    """
    check_inputs(workspace.artefact("decisions"), workspace, "The artefact 'decisions'")
