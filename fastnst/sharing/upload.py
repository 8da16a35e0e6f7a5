"""Send a folder to the hub with its own library, and report its refusals in one sentence."""

from __future__ import annotations

from pathlib import Path

from fastnst.errors import FastNSTError, MissingDependencyError
from fastnst.hub import HubAddress
from fastnst.hub.client import hub_endpoint, hub_token


class UploadError(FastNSTError):
    """A repository that cannot be written."""


def upload_repository(folder: Path, address: HubAddress, *, private: bool, message: str) -> str:
    """Create the repository if it is missing and commit the folder to it; returns the commit's address.

    Raises `UploadError` if the hub cannot be reached or says no, `MissingDependencyError` without its library.
    """
    endpoint = hub_endpoint()  # which the hub's library reads when it is imported
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise MissingDependencyError('pushing needs huggingface_hub: pip install "fastnst[hub]".') from error
    token = hub_token()
    if token is None:
        raise UploadError("no token for the hub was found: run `hf auth login`, or set HF_TOKEN.")
    api = HfApi(endpoint=endpoint, token=token)
    try:
        api.create_repo(address.repository, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=address.repository,
            folder_path=folder,
            commit_message=message,
            revision=None if address.revision == "main" else address.revision,
        )
    except HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else "no code"
        raise UploadError(f"the hub refuses {address} ({code}): {_first_line(error)}.") from error
    except Exception as error:  # no connection, in the words of its HTTP library; a name that it does not take
        raise UploadError(f"{address} cannot be written ({_first_line(error)}).") from error
    return str(commit.commit_url)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200].rstrip(".")
