/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-bridge"

#include "config.h"

#include "bridge/sender-policy.h"

#include "base/error.h"
#include "mail/address.h"

struct _PosternSenderPolicy
{
  GObject parent_instance;

  PosternBackend *backend;
  GPtrArray *configured; /* (element-type utf8), NULL-terminated */
  GPtrArray *identities; /* (element-type utf8), NULL-terminated */
  gboolean is_closed;
};

G_DEFINE_FINAL_TYPE (PosternSenderPolicy, postern_sender_policy, G_TYPE_OBJECT)

PosternSenderPolicy *
postern_sender_policy_new (PosternBackend *backend)
{
  PosternSenderPolicy *self = g_object_new (POSTERN_TYPE_SENDER_POLICY, NULL);

  self->backend = g_object_ref (backend);
  return self;
}

static void
clear_addresses (GPtrArray *addresses)
{
  g_ptr_array_set_size (addresses, 0);
}

static void
end_addresses (GPtrArray *addresses)
{
  g_ptr_array_add (addresses, NULL);
}

void
postern_sender_policy_configure (PosternSenderPolicy *self, const PosternConfigAccount *config)
{
  clear_addresses (self->configured);
  g_ptr_array_add (self->configured, g_strdup (config->address));
  for (guint i = 0; config->aliases[i] != NULL; i++)
    g_ptr_array_add (self->configured, g_strdup (config->aliases[i]));
  end_addresses (self->configured);
}

/**
 * postern_sender_policy_owns:
 * @address: "" is the null sender, which anybody may use
 *
 * Returns: whether it is known to be ours, without asking anybody
 */
gboolean
postern_sender_policy_owns (PosternSenderPolicy *self, const char *address)
{
  return *address == '\0' ||
         postern_address_is_owned (address, (const char *const *) self->configured->pdata) ||
         postern_address_is_owned (address, (const char *const *) self->identities->pdata);
}

/**
 * postern_sender_policy_close:
 *
 * The account is no more. A session that is still logged in must not have a message accepted that
 * nobody would deliver.
 */
void
postern_sender_policy_close (PosternSenderPolicy *self)
{
  self->is_closed = TRUE;
}

static PosternSmtpReply *
closed (void)
{
  return postern_smtp_reply_new (451,
                                 "4.3.2",
                                 "This account was removed or set up anew; sign in again");
}

static PosternSmtpReply *
refusal (const char *address)
{
  return postern_smtp_reply_printf (550,
                                    "5.7.1",
                                    "You may not send as <%s>; use an address of this account",
                                    address);
}

static void
on_identities (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  PosternSenderPolicy *self = g_task_get_source_object (task);
  const char *address = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) identities =
      postern_backend_list_identities_finish (POSTERN_BACKEND (source), result, &error);

  if (identities == NULL)
    {
      g_info ("Cannot ask which addresses are ours: %s", error->message);
      g_task_return_pointer (
          task,
          postern_smtp_reply_new (
              451,
              "4.7.1",
              "Cannot check now whether you may send as this address; try later"),
          (GDestroyNotify) postern_smtp_reply_free);
      return;
    }

  clear_addresses (self->identities);
  for (guint i = 0; i < identities->len; i++)
    {
      const PosternIdentity *identity = g_ptr_array_index (identities, i);

      g_ptr_array_add (self->identities, g_strdup (identity->address));
    }
  end_addresses (self->identities);
  g_task_return_pointer (task,
                         postern_sender_policy_owns (self, address) ? NULL : refusal (address),
                         (GDestroyNotify) postern_smtp_reply_free);
}

/**
 * postern_sender_policy_check_async:
 *
 * Whether this login may send as @address. One that is not known makes us ask the server once, since
 * an alias may be new.
 */
void
postern_sender_policy_check_async (PosternSenderPolicy *self,
                                   const char *address,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, postern_sender_policy_check_async);
  g_task_set_task_data (task, g_strdup (address), g_free);
  if (self->is_closed || postern_sender_policy_owns (self, address))
    g_task_return_pointer (task, NULL, NULL);
  else
    postern_backend_list_identities_async (self->backend,
                                           NULL,
                                           on_identities,
                                           g_steal_pointer (&task));
}

/**
 * postern_sender_policy_check_finish:
 *
 * Returns: (transfer full) (nullable): the refusal; NULL when it may
 */
PosternSmtpReply *
postern_sender_policy_check_finish (PosternSenderPolicy *self, GAsyncResult *result)
{
  PosternSmtpReply *reply = g_task_propagate_pointer (G_TASK (result), NULL);

  return reply == NULL && self->is_closed ? closed () : reply;
}

static void
postern_sender_policy_finalize (GObject *object)
{
  PosternSenderPolicy *self = POSTERN_SENDER_POLICY (object);

  g_object_unref (self->backend);
  g_ptr_array_unref (self->configured);
  g_ptr_array_unref (self->identities);
  G_OBJECT_CLASS (postern_sender_policy_parent_class)->finalize (object);
}

static void
postern_sender_policy_init (PosternSenderPolicy *self)
{
  self->configured = g_ptr_array_new_with_free_func (g_free);
  self->identities = g_ptr_array_new_with_free_func (g_free);
  end_addresses (self->configured);
  end_addresses (self->identities);
}

static void
postern_sender_policy_class_init (PosternSenderPolicyClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = postern_sender_policy_finalize;
}
