// A webhook of ours, verified by the stock library of Standard Webhooks; one that was changed is not.

import { readFileSync } from "node:fs";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

const { secret, headers, body } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const webhook = new Webhook(secret);
const event = webhook.verify(body, headers);
if (event.type !== "transaction.completed") throw new Error(`an event of type ${event.type}`);
let refused = false;
try {
  webhook.verify(body.replace("completed", "completer"), headers);
} catch (error) {
  refused = error instanceof WebhookVerificationError;
}
if (!refused) throw new Error("a changed body was taken");
console.log(`standardwebhooks verifies ${event.id}`);
