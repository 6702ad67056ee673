import copaw


async def test_the_version_is_that_of_the_package(server):
    assert await server.call("GET", "/version") == {"version": copaw.__version__}
