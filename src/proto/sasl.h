/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/secret.h"

G_BEGIN_DECLS

typedef enum
{
  POSTERN_SASL_PLAIN, /* RFC 4616 */
  POSTERN_SASL_LOGIN, /* draft-murchison-sasl-login; Outlook still asks for it */
} PosternSaslMechanism;

typedef enum
{
  POSTERN_SASL_STEP_CONTINUE,  /* send the challenge, read another response */
  POSTERN_SASL_STEP_DONE,      /* login and password are known */
  POSTERN_SASL_STEP_CANCELLED, /* the client sent "*" */
  POSTERN_SASL_STEP_MALFORMED, /* not base64, or not what the mechanism says */
  POSTERN_SASL_STEP_FOREIGN,   /* asks to act for somebody else (authzid), which nobody may */
} PosternSaslStep;

/**
 * PosternSasl:
 *
 * The server's side of one exchange. The password wipes itself.
 */
typedef struct
{
  PosternSaslMechanism mechanism;
  char *login;             /* (nullable) UTF-8 */
  PosternSecret *password; /* (nullable) */
} PosternSasl;

gboolean postern_sasl_parse_mechanism (const char *name, PosternSaslMechanism *mechanism);
PosternSasl *postern_sasl_new (PosternSaslMechanism mechanism);
void postern_sasl_free (PosternSasl *self);
const char *postern_sasl_get_challenge (const PosternSasl *self);
PosternSaslStep postern_sasl_step (PosternSasl *self, const char *response, gboolean initial);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PosternSasl, postern_sasl_free)

G_END_DECLS
