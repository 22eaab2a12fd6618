"""The tests' own processes: whatever a test leaves running ends with its data directory."""

from tests.sensenova_billing.processes import (
    eventually,
    postmasters,
    run,
    temporary_data_directory,
    users_of,
)


def test_a_product_that_was_still_starting_is_killed_with_all_that_it_had_started(prepared):
    with temporary_data_directory(prepared) as directory:
        runner, _ = run(directory)
        assert eventually(lambda: postmasters(directory), seconds=20)

    assert runner.returncode is not None
    assert (users_of(directory), postmasters(directory)) == ([], [])
