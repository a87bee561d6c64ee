"""What the API takes and answers, written by `make generate`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field

from onboarding_client.values import OpenEnum


class Reason(OpenEnum):
    granted = "granted"
    not_signed = "not_signed"
    before_start_date = "before_start_date"
    being_opened = "being_opened"
    closed = "closed"


class AccessCause(OpenEnum):
    """
    Why access can't be opened yet.

    ``account_unknown``: not in the account directory. ``enterprise_not_verified`` (guide, FAQ Q1).
    ``enterprise_differs``: verified, but for another enterprise than the Company Master UID (FAQ Q3).
    ``covered_elsewhere``: another application has given the account access.
    ``credit_control_missing``: the policy requires it. ``platform_unavailable``: the account directory or
    the ACPN platform does not answer, so nothing is known.
    """

    account_unknown = "account_unknown"
    enterprise_not_verified = "enterprise_not_verified"
    enterprise_differs = "enterprise_differs"
    covered_elsewhere = "covered_elsewhere"
    credit_control_missing = "credit_control_missing"
    platform_unavailable = "platform_unavailable"


class Band(BaseModel):
    """
    A commission rate for sales of ``from_amount`` up to, not including, ``to_amount``.
    """

    from_amount: str
    to_amount: str | None = None
    rate_percent: str


class BusinessType(OpenEnum):
    """
    What a partner's account does; Main and Associated UIDs share it (guide, FAQ Q5).
    """

    reseller = "reseller"
    distributor = "distributor"
    agency = "agency"


class ClockKind(OpenEnum):
    """
    What happens when the time is up.
    """

    review = "review"
    contact = "contact"
    reminder = "reminder"
    question = "question"
    expiry = "expiry"
    start_date = "start_date"
    start_recount = "start_recount"
    access_check = "access_check"
    access_delay = "access_delay"
    calendar_check = "calendar_check"


class ClosingCode(OpenEnum):
    """
    Why the service itself ended an application.

    ``expired``: nothing was heard from the partner. ``cancelled_in_temporal``: by an operator.
    ``run_ended``: its run is gone, as after Terminate. ``by_service``: what partners read of these two.
    """

    expired = "expired"
    cancelled_in_temporal = "cancelled_in_temporal"
    run_ended = "run_ended"
    by_service = "by_service"


class CommissionPolicy(BaseModel):
    """
    "Commission Policy Information" of the decision sheet.
    """

    code: str
    name: str
    bands: list[Band] | None = None
    """
    Default: `[]`.
    """


class Commitment(BaseModel):
    """
    What the partner promises to sell, and pays compensation for if he does not (guide, FAQ Q2).
    """

    amount: str
    period_months: int
    compensation: str


class CompanyShown(BaseModel):
    """
    The company as the status shows it; by its ``hash`` `confirm_company` names it (`Company.digest`).
    """

    legal_name: str
    registration_number: str
    country: str | None = None
    verified: bool = False
    hash: str | None = None


class Contact(BaseModel):
    """
    Whom the vendor writes to: the form's "Contact E-mail" (guide §2.2, Step 2).
    """

    name: str
    title: str | None = None
    email: str
    phone: str | None = None


class DeliveryState(OpenEnum):
    """
    What became of a delivery.
    """

    pending = "pending"
    delivered = "delivered"


class Discount(BaseModel):
    """
    One line of "Discount information"; both days of validity are included.
    """

    product_code: str
    percent: str
    valid_from: date | None = None
    valid_to: date | None = None


class EndpointState(OpenEnum):
    """
    Whether events are delivered.
    """

    on = "on"
    off = "off"


class ErrorType(OpenEnum):
    """
    The ``type`` of the ``ApplicationError`` a refused command fails with.
    """

    wrong_stage = "wrong_stage"
    stale_revision = "stale_revision"
    forbidden = "forbidden"
    invalid = "invalid"
    company_not_confirmed = "company_not_confirmed"
    enterprise_not_verified = "enterprise_not_verified"
    uid_mismatch = "uid_mismatch"
    signature_order = "signature_order"
    unavailable = "unavailable"
    already_partner = "already_partner"
    closed = "closed"
    not_found = "not_found"


class Evidence(BaseModel):
    """
    A file that is kept elsewhere: where, its hash, and what it is. What names it is on record with these.

    ``sha256``: of its bytes, in hexadecimal. ``media_type``: RFC 6838, such as ``application/pdf``.
    """

    reference: str
    sha256: str
    media_type: str


class FailedEmail(BaseModel):
    """
    A mail that can't be delivered, and what the receiving server said.
    """

    key: str
    template: str
    to: str
    reason: str
    at: AwareDatetime


class Justification(BaseModel):
    """
    BD's question about the qualification and the partner's answer, with the files that support it.
    """

    question: str
    answer: str | None = None
    evidence: Annotated[list[Evidence], Field(validate_default=True)] = []


class LedgerState(OpenEnum):
    """
    What became of an e-mail.

    ``withdrawn``: what it told of was undone by Temporal's Reset before it left, or its run was terminated.
    """

    pending = "pending"
    sent = "sent"
    failed = "failed"
    withdrawn = "withdrawn"


class Missing(BaseModel):
    """
    What access still needs: a cause, and the accounts it is about (none where a service is down).
    """

    cause: AccessCause
    uids: list[str] = []


class NewEndpoint(BaseModel):
    """
    An endpoint and its secret, which is shown here and never again.
    """

    id: str
    secret: str


class Party(OpenEnum):
    """
    A side of the contract.
    """

    partner = "partner"
    vendor = "vendor"


class Locale(OpenEnum):
    en = "en"
    zh = "zh"


class Person(BaseModel):
    """
    A BD or BD lead: who reads the mails for that desk and whom the partner may consult.

    ``locale``: the language of mails to him, English if none is given; what the partner reads is the
    application's (`OnboardingInput`).
    """

    name: str
    email: str
    locale: Locale | None = None


class Policy(BaseModel):
    """
    Periods in working days of ``calendar`` (guide §2.2, §2.3); ``partner_expiry_days`` in calendar days.

    ``access_delay_working_days``: how long access may be held up until the BD lead is told.
    ``later_reminder_working_days``: between reminders once the third in a row was not answered.
    ``expiry_warning_days``: so many calendar days before it expires the partner is warned.
    ``mail_hour``: the hour in ``time_zone`` at which reminders and escalations leave, on a working day.

    ``calendar`` is a region of the package `holidays` ("CN", or with a subdivision "US-CA"); days begin
    at midnight in ``time_zone``. ``require_credit_control`` makes credit control a condition of access.
    """

    review_working_days: int | None = None
    """
    Default: `3`.
    """
    contact_working_days: int | None = None
    """
    Default: `3`.
    """
    reminder_working_days: int | None = None
    """
    Default: `3`.
    """
    partner_expiry_days: int | None = None
    """
    Default: `90`.
    """
    access_delay_working_days: int | None = None
    """
    Default: `1`.
    """
    later_reminder_working_days: int | None = None
    """
    Default: `10`.
    """
    expiry_warning_days: list[int] | None = None
    """
    Default: `[14, 3]`.
    """
    mail_hour: int | None = None
    """
    Default: `9`.
    """
    calendar: str | None = None
    """
    Default: `"CN"`.
    """
    time_zone: str | None = None
    """
    Default: `"Asia/Shanghai"`.
    """
    require_credit_control: bool | None = None
    """
    Default: `false`.
    """


class Question(BaseModel):
    """
    What the partner asked BD at some time (`ask_bd`), and the answer; ``number`` counts from 1.
    """

    number: int
    question: str
    asked_at: AwareDatetime
    answer: str | None = None
    answered_at: AwareDatetime | None = None


class Rejection(BaseModel):
    """
    Why BD rejected, and what would fix it.
    """

    reason_code: str
    explanation: str


class Role(OpenEnum):
    """
    Who acts. ``system`` is the service itself and refused from outside.
    """

    partner = "partner"
    bd = "bd"
    bd_lead = "bd_lead"
    vendor = "vendor"
    esign = "esign"
    ops = "ops"
    system = "system"


class SheetChange(BaseModel):
    """
    One field that differs from the revision before; ``field`` is a path such as ``basic.term_months``.
    """

    field: str
    before: Any
    after: Any


class Signature(BaseModel):
    """
    One party's signature on the confirmed terms.

    ``signed_at`` is the word of who sent it, ``recorded_at`` the service's clock when it came.
    """

    signer_name: str
    signed_at: AwareDatetime
    document_ref: str | None = None
    evidence: Annotated[list[Evidence], Field(validate_default=True)] = []
    recorded_at: AwareDatetime | None = None


class SignatureOrder(OpenEnum):
    """
    Who has to sign first.
    """

    any = "any"
    partner_first = "partner_first"
    vendor_first = "vendor_first"


class SigningPath(OpenEnum):
    """
    How the contract is signed; BD chooses (guide §2.4).
    """

    online_esign = "online_esign"
    offline_paper = "offline_paper"
    framework_addendum = "framework_addendum"


class Stage(OpenEnum):
    """
    Where an application stands; the last four are its outcomes.
    """

    drafting = "drafting"
    under_review = "under_review"
    justifying = "justifying"
    withdrawn = "withdrawn"
    qualified = "qualified"
    confirming_terms = "confirming_terms"
    correcting_terms = "correcting_terms"
    awaiting_signatures = "awaiting_signatures"
    signed = "signed"
    activating = "activating"
    active = "active"
    rejected = "rejected"
    cancelled = "cancelled"
    expired = "expired"


class Outcome(OpenEnum):
    drafting = "drafting"
    under_review = "under_review"
    justifying = "justifying"
    withdrawn = "withdrawn"
    qualified = "qualified"
    confirming_terms = "confirming_terms"
    correcting_terms = "correcting_terms"
    awaiting_signatures = "awaiting_signatures"
    signed = "signed"
    activating = "activating"
    active = "active"
    rejected = "rejected"
    cancelled = "cancelled"
    expired = "expired"
    already_partner = "already_partner"


class TriedEndpoint(BaseModel):
    """
    What an endpoint made of a test: its HTTP status, if it answered, and why that does not do.
    """

    webhook_id: str
    answer: int | None = None
    reason: str | None = None


class What(OpenEnum):
    calendar = "calendar"
    time_zone = "time_zone"


class Unknown(BaseModel):
    """
    What a release has no table of, by its name: the calendar of a region, or a time zone.
    """

    what: What
    name: str


class Verdict(OpenEnum):
    """
    What became of a command.
    """

    accepted = "accepted"
    no_op = "no_op"
    refused = "refused"


class Via(BaseModel):
    """
    The way a command came: ``channel`` is ``api``, ``portal``, ``webhook`` or ``cli``, ``client`` who
    sent it for the actor.
    """

    channel: str
    client: str | None = None


class WaitingOn(OpenEnum):
    """
    Whose move it is.
    """

    partner = "partner"
    bd = "bd"
    both = "both"
    platform = "platform"
    none = "none"


class WarningCode(OpenEnum):
    """
    What a warning warns of.

    ``master_uid_not_covered``: the Company Master UID is neither Main nor Associated UID (guide, FAQ Q4).
    ``account_unknown``: the account directory did not have the applicant's account when it began.
    ``account_covered``: the applicant's account had access by another company's application then.
    ``start_date_past``: the contract start date was past already when it was set. ``start_date_far``: it was
    more than five years ahead.
    ``added_uid_left_out``, ``removed_uid_named``: after access was given, an account was added, or taken
    away; the application was reset in Temporal, and the form that was submitted then says otherwise.
    ``access_taken_back``: it was reset to before access was given.
    """

    master_uid_not_covered = "master_uid_not_covered"
    account_unknown = "account_unknown"
    account_covered = "account_covered"
    start_date_past = "start_date_past"
    added_uid_left_out = "added_uid_left_out"
    removed_uid_named = "removed_uid_named"
    start_date_far = "start_date_far"
    access_taken_back = "access_taken_back"


class WebhookData(BaseModel):
    """
    What a delivery says of its event; who wants more reads the application.

    ``command``: a command of the contract, or what the service did by itself.
    """

    application_id: str
    company_master_uid: str
    sequence: int
    stage: Stage
    from_stage: Stage
    command: str | None = None
    error: str | None = None


class WebhookType(OpenEnum):
    """
    What other systems may be told, in the order in which one event tells it.
    """

    application_started = "application.started"
    application_stage_changed = "application.stage_changed"
    application_command_accepted = "application.command_accepted"
    application_command_refused = "application.command_refused"
    application_overdue = "application.overdue"
    application_access_granted = "application.access_granted"
    application_ended = "application.ended"
    email_failed = "email.failed"


class FieldError(BaseModel):
    """
    What is wrong with a field; ``field`` is its path, with dots.
    """

    field: str
    message: str


class Problem(BaseModel):
    """
    Why a request was refused (RFC 9457).

    ``type`` is for programs, ``detail`` says what to do. ``errors``: what is wrong, field by field. Of a
    command that was judged and refused, ``stage`` is where it left the application, and ``allowed_commands``
    what the caller may send there.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: Annotated[list[FieldError], Field(validate_default=True)] = []
    allowed_commands: list[str] | None = None
    stage: Stage | None = None


class WebhookBody(BaseModel):
    """
    The body of a delivery; ``timestamp``: when the event happened.
    """

    type: str
    timestamp: AwareDatetime
    data: WebhookData


class Access(BaseModel):
    """
    The answer of the gate at the ACPN platform (guide §2.4, §2.5).

    ``reason`` is one of ``granted``, ``not_signed``, ``before_start_date``, ``being_opened``, ``closed``;
    ``message`` is the text of the error box, in English; the other fields say the same for programs.
    ``start_date`` in ``time_zone``: when the contract starts, once it is signed. ``covered_uids``: the
    accounts that have access.
    """

    granted: bool = False
    reason: Reason = Reason.not_signed
    message: str = ""
    available_at: AwareDatetime | None = None
    start_date: date | None = None
    time_zone: str | None = None
    missing: Annotated[list[Missing], Field(validate_default=True)] = []
    covered_uids: list[str] = []


class Actor(BaseModel):
    """
    Who sends a command. From a raw caller it is his own word; over HTTP the authenticated one.
    """

    role: Role
    id: str
    name: str | None = None


class Amendment(BaseModel):
    """
    A contract start date agreed on after signing; it stands beside the sheet, which stays as signed.
    """

    start_date: date
    time_zone: str
    reason: str
    at: AwareDatetime
    by: Actor | None = None


class ApplicationForm(BaseModel):
    """
    The basic information of an application (guide §2.2, Step 2; UIDs: FAQ Q3).

    ``website``: an address of http or https, as is judged where the form is submitted; stored forms may have
    another. ``evidence``: files that support the ``qualification``.
    """

    legal_name: str
    registration_number: str
    country: str
    address: str
    website: str | None = None
    contact: Contact
    business_type: BusinessType
    main_uid: str
    associated_uids: list[str] | None = None
    """
    Default: `[]`.
    """
    territories: list[str] | None = None
    """
    Default: `[]`.
    """
    qualification: str
    evidence: list[Evidence] | None = None
    """
    Default: `[]`.
    """


class AuditEvent(BaseModel):
    """
    ``sequence`` numbers the events of an application from 1 without gaps; no number is ever used twice.

    ``command`` is a command of the contract, or the name of what the service did by itself
    (``review_reminder``, ``expiry``, ``reset`` …; actor ``system``). ``details`` is the command's own
    payload without the form or sheet it carries, which are stored under ``form_revision`` or
    ``sheet_revision``; for one that did not parse as much of it as could be kept. A command that names a
    revision has it there, too.
    """

    sequence: int
    at: AwareDatetime
    command: str
    verdict: Verdict
    command_id: str | None = None
    actor: Actor | None = None
    occurred_at: AwareDatetime | None = None
    from_stage: Stage
    to_stage: Stage
    error: str | None = None
    message: str | None = None
    form_revision: int | None = None
    sheet_revision: int | None = None
    via: Via | None = None
    details: dict[str, Any]


class BasicTerms(BaseModel):
    """
    "Basic information" of the decision sheet.
    """

    business_type: BusinessType
    partner_level: str
    territories: list[str] | None = None
    """
    Default: `[]`.
    """
    currency: str
    contract_start_date: date
    time_zone: str
    term_months: int
    credit_line: str | None = None


class Closing(BaseModel):
    """
    Who ended an application without access, and why.

    ``code``: where the service itself did; ``days``: for how many nothing was heard.
    """

    by: Role
    reason: str | None = None
    code: ClosingCode | None = None
    days: int | None = None


class CommandResult(BaseModel):
    """
    What became of a command, the same however often it is sent: the verdict, and the stage and the number
    of the newest audit event as it left them.
    """

    verdict: Verdict
    stage: Stage
    sequence: int


class CoverageAnswer(BaseModel):
    """
    What became of a change; the result of its run.

    ``sequence``: the number of its audit event, 0 where the application has no access and nothing is on
    record. ``covered_uids``: the accounts with access afterwards. ``error``, ``message``: of a refusal.
    """

    verdict: Verdict
    sequence: int = 0
    covered_uids: list[str] = []
    error: ErrorType | None = None
    message: str | None = None


class CoverageChanged(BaseModel):
    """
    An Associated UID that was added or taken away after access was given; the form stays as submitted.
    """

    uid: str
    added: bool
    at: AwareDatetime
    by: Actor | None = None


class Deadline(BaseModel):
    """
    What is due next, and why then: the days counted, by which calendar, in which zone.

    ``estimate`` says why it is only an estimate, ``unknown`` the same for programs.
    """

    kind: ClockKind
    due_at: AwareDatetime
    calendar: str | None = None
    time_zone: str | None = None
    days_counted: list[date] = []
    provisional: bool = False
    estimate: str | None = None
    unknown: Unknown | None = None


class DecisionSheet(BaseModel):
    """
    The business terms BD and the partner agree on (guide §2.3).
    """

    basic: BasicTerms
    commitment: Commitment | None = None
    commission_policy: CommissionPolicy
    discounts: list[Discount] | None = None
    """
    Default: `[]`.
    """


class Delivery(BaseModel):
    """
    A delivery; ``id``: its ``webhook-id``; ``answer``: the HTTP status of the latest attempt, if there was
    an answer; ``reason``: why that did not do.
    """

    id: str
    application_id: str
    sequence: int
    type: str
    state: DeliveryState
    attempts: int
    queued_at: AwareDatetime
    next_at: AwareDatetime
    delivered_at: AwareDatetime | None = None
    answer: int | None = None
    reason: str | None = None


class Endpoint(BaseModel):
    """
    An endpoint; ``types``: which events it gets, all without; ``reason``: why it was switched off.
    """

    id: str
    url: str
    types: list[str] | None = None
    state: EndpointState
    created_at: AwareDatetime
    switched_off_at: AwareDatetime | None = None
    reason: str | None = None


class IssuedSheet(BaseModel):
    """
    An immutable revision of the decision sheet.
    """

    revision: int
    hash: str
    issued_at: AwareDatetime | None = None
    content: DecisionSheet
    changes: Annotated[list[SheetChange], Field(validate_default=True)] = []


class LedgerRow(BaseModel):
    """
    An e-mail of the ledger. Times are workflow time.

    ``reason``: why it failed; of a pending one, why its recipient was refused for now.
    """

    key: str
    template: str
    locale: str
    recipient: str
    subject: str
    message_id: str
    state: LedgerState
    attempts: int
    reason: str | None = None
    queued_at: AwareDatetime
    sent_at: AwareDatetime | None = None
    failed_at: AwareDatetime | None = None


class ListedApplication(BaseModel):
    """
    An application in a list; ``sequence`` is the number of its newest audit event, ``bd`` who looks after
    it, by e-mail address, ``desk`` the one that serves the company.
    """

    application_id: str
    company_master_uid: str
    company_name: str
    stage: Stage
    waiting_on: WaitingOn
    due_at: AwareDatetime | None = None
    overdue: bool
    bd: str | None = None
    desk: str | None = None
    sequence: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Page(BaseModel):
    """
    A page of a list; ``next``: the cursor of the page after it.
    """

    items: list[ListedApplication]
    next: str | None = None


class Refusal(BaseModel):
    """
    A command that was refused; a signal's sender has no other way to learn of it.

    ``role``: who sent it; ``None`` where it could not be read. ``again``: it came again by Temporal's Reset,
    and nobody has sent it then.
    """

    at: AwareDatetime
    command: str
    command_id: str | None = None
    error: str
    message: str
    role: Role | None = None
    again: bool = False


class SheetShown(BaseModel):
    """
    A revision of the decision sheet, by number and hash where its content can be read elsewhere.

    ``issued_at``: when, by the service's clock; not known of one issued by a release that did not keep it.
    """

    revision: int
    hash: str
    issued_at: AwareDatetime | None = None
    content: DecisionSheet | None = None
    changes: Annotated[list[SheetChange], Field(validate_default=True)] = []


class Signing(BaseModel):
    """
    How the contract is signed, and who has signed.
    """

    path: SigningPath = SigningPath.online_esign
    order: SignatureOrder = SignatureOrder.any
    partner: Signature | None = None
    vendor: Signature | None = None


class StoredSheet(BaseModel):
    """
    A revision of the decision sheet and when it was issued (workflow time); ``void``: before a reset.
    """

    sheet: IssuedSheet
    issued_at: AwareDatetime
    void: bool = False


class StreamedEvent(BaseModel):
    """
    An audit event as it is told, with nothing personal. ``id``: where to resume after it.

    ``types``: of the deliveries it gives, none for what concerns nobody outside.
    """

    id: str
    at: AwareDatetime
    types: list[WebhookType]
    data: WebhookData


class Warned(BaseModel):
    """
    A warning for programs, and for readers of other languages; ``uid``: the account it is about, ``day``
    in ``time_zone``: the date.
    """

    code: WarningCode
    uid: str | None = None
    day: date | None = None
    time_zone: str | None = None


class Status(BaseModel):
    """
    The status of an application; unset values are ``null``.

    ``sequence`` is the number of the newest audit event. What `get_status` shows is whole; the answer to a
    command goes `without_documents`, and ``answered`` says what became of that command: to one that is
    repeated, what became of it the first time, whatever has happened since. ``outcome``: the stage it ended
    in, or ``already_partner`` where the applicant had access before it began.

    ``allowed_for``: the commands possible now, by the role that may send them; ``allowed_commands``: those
    of all roles. ``desk``: the one that serves the company, by name. ``time_zone``: the one its times are
    told in. ``warned``: the ``warnings`` for programs.
    ``external_id``: what the document to be signed carries at a provider of electronic signatures.
    """

    application_id: str
    company_master_uid: str
    sequence: int = 0
    stage: Stage
    status_text: str
    waiting_on: WaitingOn
    allowed_commands: list[str] = []
    allowed_for: dict[Role, list[str]]
    due_at: AwareDatetime | None = None
    overdue: bool = False
    deadline: Deadline | None = None
    time_zone: str | None = None
    form_revision: int = 0
    contact_email: str | None = None
    bd: Person | None = None
    bd_lead: Person | None = None
    desk: str | None = None
    company: CompanyShown | None = None
    company_confirmed: bool = False
    application: ApplicationForm | None = None
    warnings: list[str] = []
    warned: Annotated[list[Warned], Field(validate_default=True)] = []
    justification: Justification | None = None
    questions: Annotated[list[Question], Field(validate_default=True)] = []
    sheet: SheetShown | None = None
    modification: str | None = None
    modification_fields: list[str] = []
    confirmed_revision: int | None = None
    signing: Signing
    external_id: str | None = None
    contacted_at: AwareDatetime | None = None
    contract_start_at: AwareDatetime | None = None
    amendments: Annotated[list[Amendment], Field(validate_default=True)] = []
    access: Access
    coverage_changes: Annotated[list[CoverageChanged], Field(validate_default=True)] = []
    last_refusals: Annotated[list[Refusal], Field(validate_default=True)] = []
    pending_emails: int = 0
    failed_emails: Annotated[list[FailedEmail], Field(validate_default=True)] = []
    rejection: Rejection | None = None
    closing: Closing | None = None
    outcome: Outcome | None = None
    answered: CommandResult | None = None
