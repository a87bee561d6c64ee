"""One application, from JOIN NOW to access, by the installed client alone: service and tokens are given."""

import importlib.util
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from onboarding_client import OnboardingClient, RefusedError
from onboarding_client.models import ApplicationForm, DecisionSheet, Party, SigningPath, Stage

url, told, examples = sys.argv[1:]
tokens, uid = json.loads(told), "5123456789"
form = ApplicationForm.model_validate_json(Path(examples, "application.json").read_text(encoding="utf-8"))
terms = DecisionSheet.model_validate_json(Path(examples, "sheet.json").read_text(encoding="utf-8"))
for module in ("settings", "worker", "domain", "workflows", "activities", "runtime", "starter", "temporalio"):
    assert importlib.util.find_spec(module) is None, module

clients = {name: OnboardingClient(url, token) for name, token in tokens.items()}
mei, wei, vic = clients["mei"], clients["wei"], clients["vic"]
joining: dict[str, Any] = {
    "company_master_uid": uid,
    "contact_name": "Mei Lin",
    "contact_email": "mei@lincloud.example",
}
assert mei.join(**joining).started
assert not mei.join(**joining).started
status = mei.get_status(uid, since=2, wait=30)
status = mei.confirm_company(uid)
key = "crm-1"
submitted = [mei.submit_application(uid, form, idempotency_key=key) for _ in range(2)]
assert submitted[0].answered == submitted[1].answered
assert submitted[0].answered
try:
    mei.confirm_terms(uid, 1, "0" * 64)
    refusal = None
except RefusedError as error:
    refusal = error
assert refusal
assert (refusal.type, refusal.stage) == ("wrong_stage", Stage.under_review)
assert refusal.allowed_commands
newest = wei.get_status(uid, since=submitted[0].answered.sequence, wait=30)
assert newest.application == form
status = wei.approve_application(uid, newest.form_revision)
sheet = wei.issue_decision_sheet(uid, terms).sheet
assert sheet
status = mei.confirm_terms(uid, sheet.revision, sheet.hash)
wei.record_contact(uid)
wei.choose_signing_path(uid, SigningPath.offline_paper)
for signer, party in ((mei, Party.partner), (vic, Party.vendor)):
    status = signer.sign_contract(
        uid, party, "A. Signer", sheet.revision, sheet.hash, datetime.now(UTC), document_ref="DOC-1"
    )
while status.stage is not Stage.active:
    status = mei.get_status(uid, since=status.sequence + 1, wait=30)
assert mei.get_access(uid).granted
assert [event.sequence for event in mei.get_audit(uid)] == list(range(1, status.sequence + 1))
assert [each.company_master_uid for each in wei.list_applications().items] == [uid]
print(status.stage)
