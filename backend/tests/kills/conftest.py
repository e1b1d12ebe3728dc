"""One scripted model for all tests of a worker; each test begins with nothing asked."""

from collections.abc import Generator

import pytest

from mainloop.testing.kills import Model


@pytest.fixture(scope="session")
def one_model() -> Generator[Model]:
    model = Model()
    yield model
    model.close()


@pytest.fixture
def model(one_model: Model) -> Model:
    one_model.reset()
    return one_model
