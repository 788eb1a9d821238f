"""One `Settings`, read once from `KB_*` in the environment and from kb.toml in the working folder."""

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from kb.errors import BadInput


def user_cache() -> Path:
    """The folder for things that can be made again: unpacked model, tokenizer dictionary."""
    return Path.home() / ".cache" / "kb"


class Settings(BaseSettings):
    """Everything that a user may set; each field is also an environment variable, `KB_` before its name."""

    model_config = SettingsConfigDict(env_prefix="KB_", toml_file="kb.toml", extra="forbid")

    index: Path = Field(Path("index"), description="folder of the index")
    model: str = Field(
        "", description="sentence-transformers name or folder; empty: the packaged multilingual-e5-small"
    )
    cache: Path = Field(default_factory=user_cache, description="folder for the unpacked model and other caches")
    banks: Path | None = Field(None, description="your own list of banks; unset: the packaged one (docs/banks.md)")
    taxonomy: Path | None = Field(None, description="your own dimensions and topics; unset: the packaged ones")
    synonyms: Path | None = Field(None, description="your own table of synonyms; unset: the packaged one")
    overrides: Path = Field(Path("corpus/overrides.toml"), description="file of tags corrected by hand")
    workers: int = Field(0, ge=0, le=64, description="processes that read files; 0: one a core")
    max_pages: int = Field(3000, ge=1, description="a file with more pages is refused")
    page_seconds: float = Field(20, gt=0, description="a page that takes longer to read is given up")
    worker_mb: int = Field(1500, ge=200, description="megabytes of memory that a reading process may use")
    password_file: Path | None = Field(None, description="file of passwords for encrypted reports, one a line, UTF-8")
    upload_mb: int = Field(200, ge=1, le=10_000, description="a file uploaded to the server may have so many megabytes")
    queue_length: int = Field(100, ge=1, description="jobs that may wait in the server; more are refused")
    lock_seconds: float = Field(10, ge=0, description="how long a command waits for another one that is writing")
    pictures_mb: int = Field(200, ge=0, description="megabytes of drawn pages that are kept in the cache; 0: none")
    dense_weight: float = Field(0.75, ge=0, le=1, description="share of the dense score in the fused one")
    reranker: str = Field(
        "", description="sentence-transformers CrossEncoder by name or folder, for the first 30 candidates; empty: none"
    )
    abstain_below: float = Field(
        0.2, ge=0, le=1, description="a search abstains where it is less probable that the corpus answers; 0: never"
    )

    llm_url: str = Field(
        "", description="OpenAI-compatible server for written answers, as http://127.0.0.1:11434/v1; empty: none"
    )
    llm_model: str = Field("", description="the model to ask it for, by its name there")
    llm_key: SecretStr = Field(SecretStr(""), description="its key; empty where it takes none")
    llm_seconds: float = Field(60, gt=0, description="a written answer that takes longer is given up")

    keys: Literal["auto", "required"] = Field(
        "auto", description="whether the API asks for keys; auto: once the index has one, and on any outer address"
    )
    hosts: str = Field(
        "", description="further names, with commas, under which a server without keys answers; else only loopback's"
    )
    proxies: str = Field("", description="addresses of proxies whose X-Forwarded-For and -Proto hold, with commas")
    rate: int | None = Field(
        None,
        ge=0,
        description="requests a minute of a key, and of an address without; unset: 600 with keys; 0: any",
    )
    body_mb: float = Field(4, gt=0, description="megabytes that a request may carry, uploads aside")
    request_seconds: float = Field(60, gt=0, description="a request whose answer has not begun by then is given up")
    at_once: int = Field(16, ge=1, le=1000, description="requests that are worked on at once")
    waiting: int = Field(100, ge=0, le=10_000, description="requests that may wait for that; the next are refused")
    log_queries: bool = Field(False, description="questions in the log of requests; they may be confidential")

    @property
    def processes(self) -> int:
        """How many processes read files."""
        return self.workers or os.cpu_count() or 1

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line over environment over kb.toml."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


@cache
def load_settings() -> Settings:
    """The settings of this process. Raises BadInput for a value that cannot be used."""
    try:
        return Settings()  # type: ignore[call-arg]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"kb.toml in the working folder cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if name == "llm_key" or first["type"] == "extra_forbidden":  # a key, or maybe one under a misspelt name
            raise BadInput(f"setting KB_{name.upper()}: {first['msg']}") from None
        raise BadInput(f"setting KB_{name.upper()}: {first['msg']}, got {first['input']!r}") from error


def read_passwords(file: Path | None) -> tuple[str, ...]:
    """The passwords in a file, one a line, each as it stands there. Raises BadInput, which never repeats one."""
    if file is None:
        return ()
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise BadInput(f"file of passwords {file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"file of passwords {file}: byte {error.start} is no UTF-8; save it as UTF-8") from error
    return tuple(line for line in lines if line)
