// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the two kinds of object promise each other, and what the Worker is bound to.
//
// A mailbox is named by the random 128-bit id that the directory gave it; addresses only map to it. The directory
// knows people, addresses and policy; a mailbox knows its mail, its tokens and what it has still to send. Neither
// reads the other's storage, and neither is ever asked twice for one JMAP call: the outer Worker finds the mailbox
// by the token's own text and hands the request over untouched.

/** A mailbox id: 32 lower-case hexadecimal digits. */
export type MailboxId = string;

export interface Env {
  MAILBOX: Namespace<MailboxStub>;
  DIRECTORY: Namespace<DirectoryStub>;
  SEND: SendEmailBinding;
  /** Lets the first administrator be made, once. Absent or empty: setup is refused. */
  SETUP_SECRET?: string;
  /** Comma-separated; the directory copies it at its first start and keeps the live list afterwards. */
  DOMAINS: string;
  /** Milliseconds before the first retry of an outgoing message; absent in production (60 000). */
  RETRY_BASE_MS?: string;
  /** Stretching calls for a new password's hash; absent in production (6). */
  PASSWORD_COST?: string;
}

export interface Namespace<Stub> {
  getByName(name: string): Stub;
}

/** The `send_email` binding, given an `EmailMessage`. Errors carry a `code` such as `E_CONTENT_TOO_LARGE`. */
export interface SendEmailBinding {
  send(message: unknown): Promise<{ messageId?: string }>;
}

/** A Mailbox object as another object or the outer Worker sees it. */
export interface MailboxStub {
  /** Serves everything under `/jmap/`; the token in the request is checked here, not by the caller. */
  fetch(request: Request): Promise<Response>;

  /** Makes the mailbox with its default folders. Repeating it changes nothing but what `configure` would. */
  create(options: {
    id: MailboxId;
    /** The address the mailbox is known by. */
    address: string;
    /** Every address it owns, the first included: aliases, without `+tag`. */
    addresses: string[];
    displayName?: string;
    /** Octets; 0 is no limit. */
    quota: number;
  }): Promise<void>;

  /** Changes what is given and leaves the rest. `disabled: true` also refuses tokens and closes sockets at once. */
  configure(options: {
    address?: string;
    addresses?: string[];
    quota?: number;
    disabled?: boolean;
    displayName?: string;
  }): Promise<void>;

  /** The token is given this once; only its hash is kept. */
  createToken(options: { name: string }): Promise<{ id: string; token: string }>;
  listTokens(): Promise<TokenInfo[]>;
  /** Closes the token's sockets too. False when there is no such token. */
  revokeToken(id: string): Promise<boolean>;
  revokeAllTokens(options: { exceptId?: string }): Promise<void>;
  /** Null for an unknown, revoked or malformed token, and while the mailbox is disabled. */
  checkToken(token: string): Promise<{ mailboxId: MailboxId; tokenId: string; address: string } | null>;

  /**
   * Stores a received message into the inbox, byte for byte, and answers when it is durable.
   * A refusal starts with its enhanced status code: `5.2.2 …` when it would not fit, `5.1.1 …` when the mailbox was
   * never made or is being deleted, `5.2.1 …` while it is disabled. Anything else that goes wrong throws: try later.
   * `size` is what the caller knows, 0 when nothing.
   */
  deliver(
    envelope: { from: string; to: string; size: number },
    raw: ReadableStream<Uint8Array>,
  ): Promise<DeliveryResult>;

  /** As `deliver`, from another mailbox of this Worker. The same key within 30 days is answered, not stored again. */
  deliverLocal(
    envelope: { key: string; from: string; to: string; size: number },
    raw: ReadableStream<Uint8Array>,
  ): Promise<DeliveryResult>;

  usage(): Promise<{ octets: number; messages: number; quota: number }>;

  /** Refuses every further call, closes the sockets, then deletes all that is stored. Repeatable. */
  wipe(): Promise<void>;
}

export type DeliveryResult = { ok: true } | { refused: string };

export interface TokenInfo {
  id: string;
  name: string;
  /** RFC 3339, UTC. */
  createdAt: string;
  /** RFC 3339, UTC, to within an hour; null when the token was never used. */
  lastUsedAt: string | null;
}

/** The one Directory object, `env.DIRECTORY.getByName("directory")`, as a mailbox sees it. */
export interface DirectoryStub {
  /** Serves the management API, everything under `/api/v1/`. */
  fetch(request: Request): Promise<Response>;

  /**
   * Says for each address where mail to it goes: a mailbox of this Worker, null when its domain is not ours, or a
   * refusal (`5.1.1 …`) when the domain is ours and the user is not there.
   */
  resolve(addresses: string[]): Promise<Resolution[]>;
}

export type Resolution = { mailboxId: MailboxId; address: string } | { local: true; refused: string } | null;
