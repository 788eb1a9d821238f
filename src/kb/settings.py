"""One `Settings`, read once from `KB_*` in the environment and from kb.toml in the working folder."""

import tomllib
from functools import cache
from pathlib import Path

from pydantic import Field, ValidationError
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
    workers: int = Field(0, ge=0, le=64, description="processes that read PDF; 0: one a core")
    max_pages: int = Field(3000, ge=1, description="a file with more pages is refused")
    dense_weight: float = Field(0.7, ge=0, le=1, description="share of the dense score in the fused one")
    abstain_below: float | None = Field(
        None, description="a search whose best cosine is lower abstains; unset: 0.86 for the packaged model, else never"
    )

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
        raise BadInput(f"setting KB_{name.upper()}: {first['msg']}, got {first['input']!r}") from error
