"""The stages built from one configuration. A call keeps the snapshot it started with, so that none is judged by two."""

from collections.abc import Callable, Mapping

from durward.calls.decision import Decision
from durward.calls.errors import CallerError
from durward.calls.ports import Clock, Health, RequestHead, Standing, UpstreamKey
from durward.calls.principal import Principal
from durward.calls.record import Opening
from durward.calls.resource import Resource, Target
from durward.calls.retries import RetryBudgets
from durward.catalog.catalog import Catalog
from durward.catalog.listing import Listings, known_names
from durward.catalog.models import nearest
from durward.catalog.ownership import Owners, Ownership
from durward.config.settings import Settings
from durward.credentials.presented import Presented
from durward.metering.prices import Kept, Price, Prices, is_of
from durward.policy.rules import Policy
from durward.protocols.announced import read_announced
from durward.protocols.arrival import Arrival
from durward.protocols.bodies import OTHER_BODY_LIMIT, Asked
from durward.protocols.wire import ModelRequest
from durward.routing.health import Breakers
from durward.upstreams.endpoint import Endpoint, read_endpoint
from durward.upstreams.request import passed_lines, request_line, trace_line


class Way:
    """The way to one upstream: where it is, how it stands, what is presented there, and how its answers are read."""

    __slots__ = ("asks_usage", "body_limit", "endpoint", "key", "presented", "standing")

    def __init__(
        self,
        endpoint: Endpoint,
        presented: Presented,
        health: Health,
        asks_usage: bool = False,
        body_limit: int = OTHER_BODY_LIMIT,
    ) -> None:
        self.endpoint = endpoint
        self.presented = presented
        self.key = UpstreamKey(endpoint.name, endpoint.origin, presented.digest)
        self.standing = health.of(self.key)
        self.asks_usage = asks_usage
        self.body_limit = body_limit


class Step:
    """One target of a course: the way there, and the request line and Host of the call at it."""

    __slots__ = ("line", "price", "standing", "target", "way")

    def __init__(self, target: Target, way: Way, line: bytes) -> None:
        self.target = target
        self.way = way
        self.standing: Standing = way.standing
        self.line = line
        self.price: Kept | None = None
        """What the course's resource costs here; kept, since it is asked for twice a call."""


class Course:
    """Where a call may go: what it asks for, what policy says of it, and a step for each target."""

    __slots__ = ("decision", "resource", "steps")

    def __init__(self, resource: Resource, decision: Decision, steps: tuple[Step, ...]) -> None:
        self.resource = resource
        self.decision = decision
        self.steps = steps

    def within(self, upstreams: frozenset[str]) -> "Course":
        """The same course, only where all it names is the caller's own."""
        return Course(
            self.resource, self.decision, tuple(step for step in self.steps if step.target.upstream in upstreams)
        )


KEPT_COURSES = 4_096
KEPT_PLACE = 512
"""Courses of longer addresses are not kept: their queries are any bytes, and a course holds them several times."""


class Snapshot:
    """Catalog, policy, prices, ownership, and the way to every upstream."""

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        owners: Owners,
        clock: Clock,
        health: Health | None = None,
    ) -> None:
        """Without `health` nothing is known of any upstream before."""
        self.health = health or Breakers(RetryBudgets())
        self.catalog = Catalog(settings)
        self.listings = Listings(clock)
        self.ownership = Ownership(settings, owners, clock)
        self.policy = Policy(settings.policies, settings.mode)
        self.prices = Prices(settings, clock)
        self._clock = clock
        self.providers: dict[str, Way] = {}
        for provider in settings.providers:
            endpoint = read_endpoint(provider.name, provider.base_url, provider.timeouts)
            presented = Presented(provider.credential, endpoint.origin, environment)
            self.providers[provider.name] = Way(endpoint, presented, self.health, provider.stream_usage == "ask")
        self.apis: dict[str, Way] = {}
        for api in settings.apis:
            endpoint = read_endpoint(api.name, api.base_url, api.timeouts)
            presented = Presented(api.credential, endpoint.origin, environment)
            self.apis[api.name] = Way(endpoint, presented, self.health, body_limit=api.body_limit)

        self._courses: dict[tuple[Principal, str, str], Course] = {}

    def keep_health(self) -> None:
        """Forget how upstreams stand that are not, or no longer, of this configuration."""
        self.health.keep(way.key for ways in (self.providers, self.apis) for way in ways.values())

    def course(self, principal: Principal, arrival: Arrival, method: str, request: ModelRequest | None) -> Course:
        """Resolve and authorize. Raises CallerError as `Catalog.resolve` does.

        For a model call both follow from principal, place and model alone, so its course is kept; the table is bounded.
        """
        if request is None or request.further_models or len(arrival.place) > KEPT_PLACE:
            return self._chart(principal, arrival, method, request)
        key = (principal, arrival.place, request.model)
        course = self._courses.get(key)
        if course is None:
            course = self._chart(principal, arrival, method, request)
            if len(self._courses) >= KEPT_COURSES:
                self._courses.clear()
            self._courses[key] = course
        return course

    def _chart(self, principal: Principal, arrival: Arrival, method: str, request: ModelRequest | None) -> Course:
        resource = self.catalog.resolve(arrival, method, request)
        ways = self.apis if arrival.address.door == "api" else self.providers
        steps = [
            Step(target, way, request_line(way.endpoint, method, arrival, target))
            for target in resource.targets
            for way in (ways[target.upstream],)
        ]
        return Course(resource, self._decide(principal, arrival, resource, request), tuple(steps))

    def _decide(
        self, principal: Principal, arrival: Arrival, resource: Resource, request: ModelRequest | None
    ) -> Decision:
        """What policy says of the resource, and of every model with which the provider may answer instead: one no is a no."""
        decision = self.policy.decide(principal, resource)
        for name in request.further_models if request is not None else ():
            if decision.verdict == "deny":
                break
            further = self.policy.decide(principal, self.catalog.further(arrival, resource, name))
            decision = further if further.verdict == "deny" else decision
        return decision

    def price(self, resource: Resource, step: Step) -> Price | None:
        """What the call costs at a step; None where nobody states a price, as for all that is no model call."""
        kept = step.price
        if kept is None or not kept.holds(self._clock):
            target = step.target
            if not target.model:
                return None
            kept = step.price = self.prices.kept(target.upstream, target.model, resource.name)
        return kept.price

    def other_prices(self, step: Step, request: ModelRequest | None) -> Callable[[str], Price | None] | None:
        """Where the request offers further models: the price by the model that answered, None for one that was not offered."""
        if request is None or not request.further_models:
            return None
        offered = (step.target.model, *request.further_models)

        def price(model: str) -> Price | None:
            if not any(is_of(model, name) for name in offered):
                return None
            return self.prices.of(step.target.upstream, model, f"model/{model}")

        return price

    def worst_case(self, course: Course, request: ModelRequest | None) -> int | None:
        """Nano-dollars that the dearest candidate can cost at most; None where no such bound can be computed."""
        if request is None or request.further_models:
            return None
        if course.resource.action == "count":
            return 0
        output = 0 if course.resource.action == "embed" else request.max_output
        dearest = 0
        for step in course.steps:
            price = self.price(course.resource, step)
            cost = price.worst_case(request.text_bytes, output) if price is not None and request.bounded else None
            if cost is None:
                return None
            dearest = max(dearest, cost)
        return dearest


def suggesting(
    error: CallerError, snapshot: Snapshot, arrival: Arrival, asked: Asked, shows: Callable[[Resource], bool]
) -> CallerError:
    """An unknown model's refusal names the nearest that the agent may use."""
    if error.reason == "model_unknown" and arrival.route is not None:
        known = known_names(snapshot.catalog.models, snapshot.listings, arrival.route.wire, shows)
        if close := nearest(asked.request.model if asked.request else arrival.route.model, known):
            error.message += f" The nearest you may use: {', '.join(close)}."
    return error


NOBODY = Principal("")
CHANGING = frozenset(("POST", "PUT", "PATCH", "DELETE"))
"""Methods with which an `Idempotency-Key` has a meaning."""


class Known:
    """What a head tells before its body is read. Kept on the head, so that the next equal one on its connection need not be read."""

    __slots__ = ("_lines", "arrival", "digest", "once", "opening", "principal", "snapshot")

    def __init__(self, snapshot: Snapshot, arrival: Arrival) -> None:
        self.snapshot = snapshot
        self.arrival = arrival
        self.digest = b""
        self.once = False
        """Whether the call is to take effect once: it bears an `Idempotency-Key`, and its method is none that only reads."""
        self.principal = NOBODY
        self.opening = Opening("", "", "")
        self._lines: bytes | None = None

    def introduce(self, principal: Principal, head: RequestHead) -> None:
        """The opening half of a record as far as the head tells it; id, time and a trace of our own come with each call."""
        announced = read_announced(head.fields)
        route = self.arrival.route
        self.principal = principal
        self.once = head.method in CHANGING and b"idempotency-key" in head.fields
        self.opening = Opening(
            "",
            "",
            principal.agent,
            protocol=(route.protocol if route else "") or "http",
            tenant=principal.tenant,
            team=principal.team,
            app=principal.app,
            session=announced.session,
            method=head.method,
            query=",".join(self.arrival.query.names),
            tags=announced.tags,
            client=announced.client,
        )

    def lines(self, head: RequestHead, opening: Opening) -> bytes:
        """The caller's header lines that go up, each ended by CRLF; the trace goes on with our span."""
        if self._lines is None:
            self._lines = passed_lines(head, self.arrival.route is not None)
        return self._lines + trace_line(opening) if opening.parent else self._lines
