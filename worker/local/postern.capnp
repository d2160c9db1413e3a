# The Worker on plain workerd, without Cloudflare: what `start` runs, the sandbox and the tests use.
#
#   main      the Worker itself, with the bindings it has at Cloudflare
#   edge      stands where Email Routing does: POST /email on its socket calls the Worker's email() handler
#   sendmail  stands where the send_email binding does, as strict as it: a file per message
#
# Directories and addresses come by flags (see `start`). Never change a uniqueKey: the names of the database files
# come from it. What is not built in is kept from being a surprise by pinning the workerd version in package.json.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "edge", worker = .edge),
    (name = "sendmail", worker = .sendmail),
    (name = "disk", disk = (path = "state", writable = true)),
    (name = "outbound", disk = (path = "outbound", writable = true)),
    (name = "outbound-envelopes", disk = (path = "outbound-envelopes", writable = true)),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "main"),
    (name = "inbound", address = "127.0.0.1:0", http = (), service = "edge"),
  ],
  extensions = [
    (modules = [(name = "cloudflare-internal:email", internal = true, esModule = embed "email-module.js")]),
  ],
);

const main :Workerd.Worker = (
  # Every module of ../src; a test compares this list with the directory.
  modules = [
    (name = "index.js", esModule = embed "../src/index.js"),
    (name = "address.js", esModule = embed "../src/address.js"),
    (name = "attempts.js", esModule = embed "../src/attempts.js"),
    (name = "blob-store.js", esModule = embed "../src/blob-store.js"),
    (name = "canonical-size.js", esModule = embed "../src/canonical-size.js"),
    (name = "client-address.js", esModule = embed "../src/client-address.js"),
    (name = "credentials.js", esModule = embed "../src/credentials.js"),
    (name = "delivery-report.js", esModule = embed "../src/delivery-report.js"),
    (name = "directory-address.js", esModule = embed "../src/directory-address.js"),
    (name = "directory-schema.js", esModule = embed "../src/directory-schema.js"),
    (name = "directory.js", esModule = embed "../src/directory.js"),
    (name = "due-table.js", esModule = embed "../src/due-table.js"),
    (name = "header-property.js", esModule = embed "../src/header-property.js"),
    (name = "invitations.js", esModule = embed "../src/invitations.js"),
    (name = "jmap-arguments.js", esModule = embed "../src/jmap-arguments.js"),
    (name = "jmap-blob.js", esModule = embed "../src/jmap-blob.js"),
    (name = "jmap-email-query.js", esModule = embed "../src/jmap-email-query.js"),
    (name = "jmap-email-set.js", esModule = embed "../src/jmap-email-set.js"),
    (name = "jmap-email.js", esModule = embed "../src/jmap-email.js"),
    (name = "jmap-ids.js", esModule = embed "../src/jmap-ids.js"),
    (name = "jmap-mailbox.js", esModule = embed "../src/jmap-mailbox.js"),
    (name = "jmap-session.js", esModule = embed "../src/jmap-session.js"),
    (name = "jmap-submission.js", esModule = embed "../src/jmap-submission.js"),
    (name = "jmap.js", esModule = embed "../src/jmap.js"),
    (name = "mail-store.js", esModule = embed "../src/mail-store.js"),
    (name = "jmap-http.js", esModule = embed "../src/jmap-http.js"),
    (name = "mailbox-data.js", esModule = embed "../src/mailbox-data.js"),
    (name = "mailbox-schema.js", esModule = embed "../src/mailbox-schema.js"),
    (name = "mailbox.js", esModule = embed "../src/mailbox.js"),
    (name = "management-call.js", esModule = embed "../src/management-call.js"),
    (name = "management-invitations.js", esModule = embed "../src/management-invitations.js"),
    (name = "management-me.js", esModule = embed "../src/management-me.js"),
    (name = "management-settings.js", esModule = embed "../src/management-settings.js"),
    (name = "management-sign-in.js", esModule = embed "../src/management-sign-in.js"),
    (name = "management-users.js", esModule = embed "../src/management-users.js"),
    (name = "management.js", esModule = embed "../src/management.js"),
    (name = "members.js", esModule = embed "../src/members.js"),
    (name = "mime-body.js", esModule = embed "../src/mime-body.js"),
    (name = "mime-header.js", esModule = embed "../src/mime-header.js"),
    (name = "outgoing-message.js", esModule = embed "../src/outgoing-message.js"),
    (name = "outgoing.js", esModule = embed "../src/outgoing.js"),
    (name = "page.js", esModule = embed "../src/page.js"),
    (name = "passwords.js", esModule = embed "../src/passwords.js"),
    (name = "problem.js", esModule = embed "../src/problem.js"),
    (name = "push.js", esModule = embed "../src/push.js"),
    (name = "refusal.js", esModule = embed "../src/refusal.js"),
    (name = "settings.js", esModule = embed "../src/settings.js"),
    (name = "submission-envelope.js", esModule = embed "../src/submission-envelope.js"),
    (name = "submission-store.js", esModule = embed "../src/submission-store.js"),
    (name = "token-store.js", esModule = embed "../src/token-store.js"),
    (name = "users.js", esModule = embed "../src/users.js"),
    (name = "version.js", esModule = embed "../src/version.js"),
  ],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = ["nodejs_compat", "enhanced_error_serialization"],
  bindings = [
    (name = "MAILBOX", durableObjectNamespace = "Mailbox"),
    (name = "DIRECTORY", durableObjectNamespace = "Directory"),
    (name = "SEND", service = (name = "sendmail", entrypoint = "SendEmail")),
    (name = "DOMAINS", fromEnvironment = "POSTERN_DOMAINS"),
    (name = "SETUP_SECRET", fromEnvironment = "SETUP_SECRET"),
    (name = "RETRY_BASE_MS", fromEnvironment = "POSTERN_RETRY_BASE_MS"),
  ],
  durableObjectNamespaces = [
    (className = "Mailbox", uniqueKey = "postern-mailbox", enableSql = true),
    (className = "Directory", uniqueKey = "postern-directory", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "disk"),
);

const edge :Workerd.Worker = (
  modules = [(name = "edge.js", esModule = embed "edge.js")],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = ["enhanced_error_serialization"],
  bindings = [(name = "MAIN", service = "main")],
);

const sendmail :Workerd.Worker = (
  modules = [(name = "send-email.js", esModule = embed "send-email.js")],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = ["enhanced_error_serialization"],
  bindings = [
    (name = "OUTBOUND", service = "outbound"),
    (name = "ENVELOPES", service = "outbound-envelopes"),
  ],
);
