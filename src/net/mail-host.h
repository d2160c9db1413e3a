/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"
#include "mail/envelope.h"
#include "mail/listing.h"
#include "proto/smtp-reply.h"

#include <gio/gio.h>

/* What the POP3 and SMTP servers need of whoever keeps the mail. `net/` asks, `bridge/` answers;
 * everything happens on the main context. */

G_BEGIN_DECLS

typedef enum
{
  POSTERN_SERVICE_POP3,
  POSTERN_SERVICE_SMTP,
} PosternService;

typedef enum
{
  POSTERN_VERDICT_ACCEPTED,
  POSTERN_VERDICT_WRONG,       /* -ERR [AUTH], 535 5.7.8: only ever for a wrong password */
  POSTERN_VERDICT_UNAVAILABLE, /* -ERR [SYS/TEMP], 454 4.7.0: nothing could be checked */
} PosternVerdict;

/**
 * PosternSubmission:
 *
 * One message being received. Dropping the last reference before it was committed discards it.
 */
#define POSTERN_TYPE_SUBMISSION (postern_submission_get_type ())
G_DECLARE_INTERFACE (PosternSubmission, postern_submission, POSTERN, SUBMISSION, GObject)

typedef void (*PosternSubmissionReady) (gpointer user_data);

struct _PosternSubmissionInterface
{
  GTypeInterface parent_iface;

  /* Takes bytes of the message, dots unstuffed, line ends as they came. Returns FALSE when the
   * driver should stop reading until `ready` was called; the bytes are taken all the same. A
   * failure is kept and told at the commit, since SMTP has no earlier place for it. */
  gboolean (*write) (PosternSubmission *self, const guint8 *data, gsize length);
  /* The message is complete. The reply is 250 only when it is on disk, synced. */
  void (*commit_async) (PosternSubmission *self, GAsyncReadyCallback callback, gpointer user_data);
  /* Returns (transfer full): never NULL. */
  PosternSmtpReply *(*commit_finish) (PosternSubmission *self, GAsyncResult *result);
};

/**
 * PosternPeer:
 *
 * What is known about the other end of a session; lent for the call.
 */
typedef struct
{
  const char *address; /* "127.0.0.1" or "::1", no port */
  const char *hello;   /* the name in EHLO */
  gboolean esmtp;      /* EHLO, not HELO */
  gboolean secure;     /* TLS is on */
} PosternPeer;

/**
 * PosternMailUser:
 *
 * Somebody who has logged in: a mailbox account, or an application that may only send.
 */
#define POSTERN_TYPE_MAIL_USER (postern_mail_user_get_type ())
G_DECLARE_INTERFACE (PosternMailUser, postern_mail_user, POSTERN, MAIL_USER, GObject)

struct _PosternMailUserInterface
{
  GTypeInterface parent_iface;

  /* Returns (transfer full) (nullable): what a new POP3 session sees. NULL with POSTERN_ERROR when
   * there is no complete listing yet (-ERR [SYS/TEMP] with the message) or no maildrop at all
   * (POSTERN_ERROR_REFUSED: -ERR [SYS/PERM]). */
  PosternListing *(*ref_listing) (PosternMailUser *self, GError **error);

  /* Opens the raw bytes of a message of that listing, from the cache or from the backend while
   * caching. `size` is in octets as stored, which canonical line ends may enlarge. Errors are
   * POSTERN_ERROR; NOT_FOUND when the backend no longer has it. */
  void (*open_body_async) (PosternMailUser *self,
                           PosternListing *listing,
                           guint index,
                           GCancellable *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer user_data);
  GInputStream *(*open_body_finish) (PosternMailUser *self, GAsyncResult *result, GError **error);

  /* QUIT: these messages are to go. TRUE when that is on disk; nobody waits for the backend. */
  void (*delete_async) (PosternMailUser *self,
                        PosternListing *listing,
                        const guint *indexes,
                        gsize n_indexes,
                        GAsyncReadyCallback callback,
                        gpointer user_data);
  gboolean (*delete_finish) (PosternMailUser *self, GAsyncResult *result, GError **error);

  /* What SIZE says after login, in octets. */
  guint64 (*get_max_size) (PosternMailUser *self);

  /* MAIL FROM: may this login send so? Returns (transfer full) (nullable): the refusal, NULL when
   * it may. The recipients are not known yet. */
  void (*check_sender_async) (PosternMailUser *self,
                              const PosternEnvelope *envelope,
                              GAsyncReadyCallback callback,
                              gpointer user_data);
  PosternSmtpReply *(*check_sender_finish) (PosternMailUser *self, GAsyncResult *result);

  /* DATA or the first BDAT: Returns (transfer full) (nullable): where the message goes; NULL with
   * `refusal` set. `ready` is called when write() may go on, never after the submission's end. */
  PosternSubmission *(*begin_submission) (PosternMailUser *self,
                                          const PosternEnvelope *envelope,
                                          const PosternPeer *peer,
                                          PosternSubmissionReady ready,
                                          gpointer user_data,
                                          PosternSmtpReply **refusal);
};

/**
 * PosternMailHost:
 *
 * All logins together.
 */
#define POSTERN_TYPE_MAIL_HOST (postern_mail_host_get_type ())
G_DECLARE_INTERFACE (PosternMailHost, postern_mail_host, POSTERN, MAIL_HOST, GObject)

struct _PosternMailHostInterface
{
  GTypeInterface parent_iface;

  /* Answers from memory, in constant time. @user is set when accepted; @reason (nullable), a
   * sentence for the client, when unavailable. */
  PosternVerdict (*check_login) (PosternMailHost *self,
                                 PosternService service,
                                 const char *login,
                                 PosternSecret *password,
                                 PosternMailUser **user,
                                 char **reason);
  /* What SIZE says before login: the largest route's, in octets. */
  guint64 (*get_max_size) (PosternMailHost *self);
};

G_END_DECLS
