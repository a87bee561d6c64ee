// One application, from JOIN NOW to access, by a client made from the description alone.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Status = components["schemas"]["Status"];
type Problem = components["schemas"]["Problem"];

const [url, told, examples] = process.argv.slice(2) as [string, string, string];
const tokens: Record<string, string> = JSON.parse(told);
const uid = "5123456789";
const read = <T>(name: string): T => JSON.parse(readFileSync(`${examples}/${name}`, "utf8"));

const as = (who: string) =>
  createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${tokens[who]}` } });
const [mei, wei, vic] = [as("mei"), as("wei"), as("vic")];
const params = () => ({ path: { uid }, header: { "Idempotency-Key": randomUUID() } });

function done<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.error) throw new Error(`${answer.error.type}: ${answer.error.detail}`);
  return answer.data as T;
}

const status = async (since: number): Promise<Status> =>
  done(await mei.GET("/api/v1/applications/{uid}", { params: { path: { uid }, query: { since, wait: 30 } } }));

done(
  await mei.POST("/api/v1/applications", {
    body: { company_master_uid: uid, contact_name: "Mei Lin", contact_email: "mei@lincloud.example" },
  }),
);
await status(2);
done(await mei.POST("/api/v1/applications/{uid}/commands/confirm_company", { params: params() }));
const submitted = done(
  await mei.POST("/api/v1/applications/{uid}/commands/submit_application", {
    params: params(),
    body: { application: read<components["schemas"]["ApplicationForm"]>("application.json") },
  }),
);
const early = await mei.POST("/api/v1/applications/{uid}/commands/confirm_terms", {
  params: params(),
  body: { sheet_revision: 1, sheet_hash: "0".repeat(64) },
});
if (early.error?.type !== "urn:onboarding:error:wrong_stage") throw new Error(JSON.stringify(early));
const { form_revision } = await status(submitted.answered!.sequence);
done(
  await wei.POST("/api/v1/applications/{uid}/commands/approve_application", {
    params: params(),
    body: { form_revision },
  }),
);
const { sheet } = done(
  await wei.POST("/api/v1/applications/{uid}/commands/issue_decision_sheet", {
    params: params(),
    body: { sheet: read<components["schemas"]["DecisionSheet-Input"]>("sheet.json") },
  }),
);
const terms = { sheet_revision: sheet!.revision, sheet_hash: sheet!.hash };
done(await mei.POST("/api/v1/applications/{uid}/commands/confirm_terms", { params: params(), body: terms }));
done(await wei.POST("/api/v1/applications/{uid}/commands/record_contact", { params: params() }));
done(
  await wei.POST("/api/v1/applications/{uid}/commands/choose_signing_path", {
    params: params(),
    body: { path: "offline_paper", order: "any" },
  }),
);
let now: Status | undefined;
for (const [signer, party] of [[mei, "partner"], [vic, "vendor"]] as const) {
  now = done(
    await signer.POST("/api/v1/applications/{uid}/commands/sign_contract", {
      params: params(),
      body: { ...terms, party, signer_name: "A. Signer", document_ref: "DOC-1", signed_at: new Date().toISOString() },
    }),
  );
}
while (now!.stage !== "active") now = await status(now!.sequence + 1);
console.log(now!.stage);
