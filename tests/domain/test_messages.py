"""The public contract: JSON field names, values, defaults, and what is refused."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from pydantic import BaseModel, ValidationError

from domain import audit, chain, contract, documents, sheets, status, values
from domain.commands import COMMAND_ADAPTER, AnyCommand
from domain.contract import OnboardingInput, Stage
from domain.documents import ApplicationForm, DecisionSheet, sheet_hash
from domain.policy import Policy
from domain.publication import Lineage, Publication
from tests import payloads
from tests.domain.applications import UID, journey_to
from tests.payloads import Json
from workflows.data_converter import DATA_CONVERTER

# The models and the commands of the contract; "?" marks what may be left out. What stands after "+" came
# later: additions, which the status and the start input may have.
FIELDS: Final = """
OnboardingInput   company_master_uid contact_name contact_email locale? bd bd_lead policy? + desk?
Policy            review_working_days? contact_working_days? reminder_working_days? partner_expiry_days? calendar? time_zone? + require_credit_control? access_delay_working_days? later_reminder_working_days? expiry_warning_days? mail_hour?
Actor             role id name?
Person            name email + locale?
ApplicationForm   legal_name registration_number country address website? contact business_type main_uid associated_uids? territories? qualification evidence?
Evidence          reference sha256 media_type
Contact           name title? email phone?
DecisionSheet     basic commitment? commission_policy discounts?
BasicTerms        business_type partner_level territories? currency contract_start_date time_zone term_months credit_line?
Commitment        amount period_months compensation
CommissionPolicy  code name bands?
Band              from_amount to_amount? rate_percent
Discount          product_code percent valid_from? valid_to?
Deadline          kind due_at calendar? days_counted? provisional? + time_zone? estimate? unknown?
Justification     question answer? + evidence?
Question          number question asked_at answer? answered_at?
IssuedSheet       revision hash content changes? + issued_at?
SheetShown        revision hash content? changes? + issued_at?
SheetChange       field before? after?
Signing           path? order? partner? vendor?
Signature         signer_name signed_at document_ref? + evidence? recorded_at?
Access            granted? reason? available_at? + message? missing? start_date? time_zone? covered_uids?
Missing           cause uids?
Refusal           at command command_id? error message + role? again?
Rejection         reason_code explanation
Via               channel client?
AuditEvent        sequence at command verdict command_id? actor? occurred_at? from_stage to_stage error? message? form_revision? sheet_revision? via? details?
Link              previous salt commitment hash
Status            stage status_text waiting_on allowed_commands? due_at? overdue? deadline? form_revision? company? application? warnings? justification? sheet? modification? confirmed_revision? signing? contract_start_at? amendments? access? last_refusals? pending_emails? failed_emails? rejection? outcome? sequence? + application_id company_master_uid contact_email? bd? bd_lead? company_confirmed? modification_fields? external_id? contacted_at? closing? answered? questions? coverage_changes? allowed_for? time_zone? warned? desk?
Warned            code uid? day? time_zone?
Unknown           what name
Closing           by reason? code? days?
CommandResult     verdict stage sequence
CompanyShown      legal_name registration_number country? verified? hash?
"""  # noqa: E501  # one model a line, to be read beside the contract

COMMANDS: Final = """
confirm_company         company_hash?
submit_application      application
withdraw_application    reason? form_revision?
request_justification   question form_revision?
provide_justification   answer form_revision? evidence?
approve_application     form_revision
reject_application      reason_code explanation form_revision?
issue_decision_sheet    sheet
confirm_terms           sheet_revision sheet_hash
modify_terms            sheet_revision description fields?
record_contact          note?
choose_signing_path     path order?
sign_contract           party signer_name sheet_revision sheet_hash signed_at document_ref? evidence?
reopen_terms            reason sheet_revision?
amend_start_date        start_date time_zone reason
ask_bd                  question
answer_partner          answer question_number?
reassign_bd             bd
reassign_lead           bd_lead
decline                 reason?
end_contract            reason
cancel_application      reason
"""
# Added later: what keeps a bounced mail from going unnoticed.
ADDED_COMMANDS: Final = """
correct_contact         email name?
resend_email            key
"""


def model_of(name: str) -> type[BaseModel]:
    modules = (contract, documents, sheets, status, audit, chain)
    found: type[BaseModel] = next(getattr(module, name) for module in modules if hasattr(module, name))
    return found


def fields_of(model: type[BaseModel]) -> set[str]:
    return {name if field.is_required() else f"{name}?" for name, field in model.model_fields.items()}


@pytest.mark.parametrize("row", FIELDS.strip().splitlines())
def test_json_field_names(row: str) -> None:
    name, *fields = row.replace("+", "").split()
    assert fields_of(model_of(name)) == set(fields)


def test_every_command_carries_its_own_in_the_envelope_every_one_has() -> None:
    commands = get_args(get_args(AnyCommand)[0])
    envelope = {"kind?", "command_id", "actor", "occurred_at?", "via?", "if_sequence?"}
    carried = {}
    for command in commands:
        assert envelope <= fields_of(command), command
        carried[command.model_fields["kind"].default] = fields_of(command) - envelope

    expected = {
        row.split()[0]: set(row.split()[1:]) for row in (COMMANDS + ADDED_COMMANDS).split("\n") if row
    }
    assert carried == expected, "COMMANDS and ADDED_COMMANDS above say what each command carries"


def test_names_services_and_histories_depend_on() -> None:
    assert contract.workflow_id(UID) == f"reseller-onboarding-{UID}"
    assert contract.WORKFLOW_TYPE == "ResellerOnboarding"
    assert contract.TASK_QUEUE == "reseller-onboarding"
    assert (contract.UPDATE_NAME, contract.QUERY_NAME) == ("submit_command", "get_status")


@pytest.mark.parametrize(
    ("enum", "members"),
    [
        (contract.Role, "partner bd bd_lead vendor esign ops system"),
        (contract.WaitingOn, "partner bd both platform none"),
        (contract.SigningPath, "online_esign offline_paper framework_addendum"),
        (contract.SignatureOrder, "any partner_first vendor_first"),
        (contract.Party, "partner vendor"),
        (documents.BusinessType, "reseller distributor agency"),
        (
            contract.ErrorType,
            "wrong_stage stale_revision forbidden invalid company_not_confirmed enterprise_not_verified "
            "uid_mismatch signature_order unavailable already_partner closed not_found",
        ),
        (
            Stage,
            "drafting under_review justifying withdrawn qualified confirming_terms correcting_terms "
            "awaiting_signatures signed activating active rejected cancelled expired",
        ),
    ],
)
def test_values_a_caller_may_meet(enum: Any, members: str) -> None:
    assert [str(member) for member in enum] == members.split()


class TestDefaults:
    """What holds when a caller says nothing."""

    def test_policy(self) -> None:
        assert Policy().model_dump() == {
            "review_working_days": 3,
            "contact_working_days": 3,
            "reminder_working_days": 3,
            "partner_expiry_days": 90,
            "access_delay_working_days": 1,
            "later_reminder_working_days": 10,
            "expiry_warning_days": (14, 3),
            "mail_hour": 9,
            "calendar": "CN",
            "time_zone": "Asia/Shanghai",
            "require_credit_control": False,
        }

    def test_start_input(self) -> None:
        said = payloads.join(UID)
        del said["locale"]
        joined = OnboardingInput.model_validate(said)
        assert (joined.locale, joined.policy, joined.desk) == ("en", None, None)
        assert "desk" not in joined.model_dump(mode="json"), "an input without one is written as before"

    def test_signing(self) -> None:
        signing = journey_to("awaiting_signatures").status.signing
        assert (signing.path, signing.order, signing.partner, signing.vendor) == (
            "online_esign",
            "any",
            None,
            None,
        )

    def test_a_form_revision_is_1_at_the_first_submission(self) -> None:
        revisions = [journey_to(stage).status.form_revision for stage in ("drafting", "under_review")]
        assert revisions == [0, 1]


class TestEdge:
    """Fields unknown to a model: ignored by the workflow, refused by CLI and API."""

    @pytest.mark.parametrize("where", ["payload", "actor", "application", "contact"])
    def test_unknown_fields(self, where: str) -> None:
        form: Json = payloads.form(UID, contact=dict(payloads.CONTACT))
        said = payloads.command("submit_application", application=form) | {"kind": "submit_application"}
        places = {"payload": said, "actor": said["actor"], "application": form, "contact": form["contact"]}
        places[where]["surprise"] = 1

        assert COMMAND_ADAPTER.validate_python(said, extra="ignore").kind == "submit_application"
        with pytest.raises(ValidationError, match="Extra inputs are not permitted") as error:
            COMMAND_ADAPTER.validate_python(said, extra="forbid")
        assert error.value.errors()[0]["loc"][-1] == "surprise"

    def test_models_are_frozen(self) -> None:
        form = ApplicationForm.model_validate(payloads.form(UID))
        with pytest.raises(ValidationError, match="frozen"):
            form.legal_name = "Other"  # type: ignore[misc]  # what is tested


class TestSheetHash:
    """SHA-256 over the RFC 8785 canonical JSON of ``content`` as the status shows it."""

    def recomputed(self, content: Json) -> str:
        """For strings in ASCII and whole numbers, RFC 8785 is JSON with sorted keys and no spaces."""
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def test_anyone_can_recompute_it_from_the_status(self) -> None:
        shown = json.loads(journey_to("sheet_2").status.model_dump_json())["sheet"]
        assert self.recomputed(shown["content"]) == shown["hash"]

    def test_the_example_of_the_project_and_what_is_not_set_is_left_out(self) -> None:
        content = json.loads(Path("examples/sheet.json").read_text(encoding="utf-8"))
        sheet = DecisionSheet.model_validate(content)
        assert sheet.model_dump(mode="json") == content
        assert sheet_hash(sheet) == self.recomputed(content)

    def test_how_it_was_written_makes_no_difference(self) -> None:
        sheet = payloads.sheet(ecs="10")
        other = payloads.sheet(ecs="10.00")
        other["basic"]["credit_line"] = "5E+4"
        other["commitment"] = dict(reversed(other["commitment"].items()))
        other["discounts"][0]["valid_to"] = None
        assert hash_of(sheet) == hash_of(other)

    @pytest.mark.parametrize(
        "change",
        [
            lambda sheet: sheet["discounts"].reverse(),
            lambda sheet: sheet.pop("commitment"),
            lambda sheet: sheet["basic"].update(term_months=25),
            lambda sheet: sheet["discounts"][0].update(percent="10.1"),
        ],
    )
    def test_what_was_written_does(self, change: Any) -> None:
        other = payloads.sheet()
        change(other)
        assert hash_of(payloads.sheet()) != hash_of(other)

    def test_other_scripts_are_hashed_as_utf_8(self) -> None:
        sheet = payloads.sheet()
        sheet["commission_policy"]["name"] = "标准佣金 \U0001f600"
        content = DecisionSheet.model_validate(sheet).model_dump(mode="json")
        assert hash_of(sheet) == self.recomputed(content)


def hash_of(sheet: Json) -> str:
    return sheet_hash(DecisionSheet.model_validate(sheet))


def every_model(base: type[BaseModel]) -> list[type[BaseModel]]:
    """The models of the process and of the workflow, whatever crosses a boundary."""
    return [
        model
        for each in base.__subclasses__()
        for model in (each, *every_model(each))
        if model.__module__.startswith(("domain.", "workflows."))
    ]


@pytest.mark.parametrize("model", every_model(values.Contract), ids=lambda model: model.__name__)
def test_what_is_not_set_may_be_left_out(model: type[BaseModel]) -> None:
    """Histories leave ``null`` out; a link of the chain has columns of its own and no part in them."""
    nullable = [
        name
        for name, field in model.model_fields.items()
        if field.is_required() and type(None) in get_args(field.annotation)
    ]
    assert nullable == [] or model is chain.Link


def test_what_is_unset_again_is_told_as_null() -> None:
    """Only fields of models are left out: in a change of the stored state ``null`` is what it says."""
    told = Publication(
        lineage=Lineage(application_id="a"), changes={"sheet": None, "form": {"a": None}}, entries=()
    )
    [payload] = DATA_CONVERTER.payload_converter.to_payloads([told])
    assert json.loads(payload.data)["changes"] == {"sheet": None, "form": {"a": None}}
    [read] = DATA_CONVERTER.payload_converter.from_payloads([payload], [Publication])
    assert read == told
