"""Logging in. What may be asked without a token is listed in ``app/middleware/authentication.py``."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from copaw.app.callers import bearer_token, client_address, from_this_machine
from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import ServicesDep
from copaw.errors import Unauthenticated
from copaw.ports import Json

router = APIRouter(prefix="/auth", tags=["auth"], dependencies=[StorableJson])


class LoginRequest(BaseModel):
    username: str
    password: str


class RegisterRequest(BaseModel):
    username: str
    password: str


class UpdateProfileRequest(BaseModel):
    current_password: str
    new_username: str | None = None
    new_password: str | None = None


@router.get("/status")
async def status(services: ServicesDep) -> Json:
    """Whether one has to log in, and whether somebody is registered."""
    return await services.authentication.status()


@router.post("/register")
async def register(body: RegisterRequest, services: ServicesDep) -> Json:
    """Make the one account, while there is none."""
    return await services.authentication.register(body.username, body.password)


@router.post("/login")
async def login(body: LoginRequest, request: Request, services: ServicesDep) -> Json:
    """A token for name and password."""
    return await services.authentication.login(body.username, body.password, client_address(request.scope))


@router.get("/verify")
async def verify(request: Request, services: ServicesDep) -> Json:
    """Whether the token of this request is good, and whose it is."""
    authentication = services.authentication
    if not authentication.enabled:
        return {"valid": True, "username": ""}
    scope = request.scope
    username = await authentication.username_of(bearer_token(scope), local=from_this_machine(scope))
    if username is None:
        raise Unauthenticated
    return {"valid": True, "username": username}


@router.post("/update-profile")
async def update_profile(body: UpdateProfileRequest, request: Request, services: ServicesDep) -> Json:
    """Change name or password; the answer has a new token, and every earlier one ends."""
    return await services.authentication.update(
        body.current_password, body.new_username, body.new_password, client_address(request.scope)
    )
