/* SPDX-License-Identifier: GPL-3.0-or-later */
#define G_LOG_DOMAIN "postern-store"

#include "config.h"

#include "store/store-thread.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Jobs go to the thread through one list and come back through another. The thread takes the whole
 * list at once: while it waits for a disk, all who come meanwhile gather, and share the next sync.
 *
 * It is not woken by the first job of a turn of the main loop, or that one would get a sync of its
 * own and the others the next: it is woken when the loop goes to sleep, by the `prepare` of our
 * source. The way back is one eventfd, written only when the list of answers was empty, so a batch of
 * sixty-four costs the main loop one turn. */

typedef struct
{
  PosternStoreJob *first;
  PosternStoreJob **last; /* where the next one is hung */
} JobList;

struct _PosternStoreThread
{
  gatomicrefcount references;
  GThread *thread;
  PosternStoreTakes takes;
  PosternStoreBatch batch;
  PosternStoreBatch after;
  gpointer owner;

  GMutex mutex;
  GCond arrived;
  JobList waiting;
  JobList answered;
  gboolean stopping;

  int wakeup_fd;
  GSource *source;
  GThread *main_thread;
  gboolean is_to_wake; /* of the main thread: jobs wait that the thread was not told of */
};

typedef struct
{
  GSource source;
  PosternStoreThread *thread;
  gpointer tag;
} AnswerSource;

static void
job_list_init (JobList *list)
{
  list->first = NULL;
  list->last = &list->first;
}

static void
job_list_append (JobList *list, PosternStoreJob *jobs)
{
  *list->last = jobs;
  while (*list->last != NULL)
    list->last = &(*list->last)->next;
}

static PosternStoreJob *
job_list_take_all (JobList *list)
{
  PosternStoreJob *jobs = list->first;

  job_list_init (list);
  return jobs;
}

static PosternStoreJob *
job_list_take_one (JobList *list)
{
  PosternStoreJob *job = list->first;

  list->first = job->next;
  if (list->first == NULL)
    list->last = &list->first;
  job->next = NULL;
  return job;
}

static void
wake_main (PosternStoreThread *self)
{
  guint64 one = 1;

  /* An eventfd only refuses when its counter is full, and then it is readable already. */
  while (write (self->wakeup_fd, &one, sizeof one) < 0 && errno == EINTR)
    ;
}

static gpointer
run_thread (gpointer data)
{
  PosternStoreThread *self = data;

  g_mutex_lock (&self->mutex);
  for (;;)
    {
      PosternStoreJob *jobs;
      gboolean was_empty;

      while (self->waiting.first == NULL && !self->stopping)
        g_cond_wait (&self->arrived, &self->mutex);
      if (self->waiting.first == NULL)
        break;
      jobs = self->takes == POSTERN_STORE_TAKES_ALL ? job_list_take_all (&self->waiting)
                                                    : job_list_take_one (&self->waiting);
      g_mutex_unlock (&self->mutex);

      self->batch (jobs, self->owner);

      g_mutex_lock (&self->mutex);
      was_empty = self->answered.first == NULL;
      job_list_append (&self->answered, jobs);
      g_mutex_unlock (&self->mutex);
      if (was_empty)
        wake_main (self);

      if (self->after != NULL)
        self->after (NULL, self->owner);
      g_mutex_lock (&self->mutex);
    }
  g_mutex_unlock (&self->mutex);
  return NULL;
}

static void
answer (PosternStoreThread *self)
{
  PosternStoreJob *jobs;

  g_mutex_lock (&self->mutex);
  jobs = job_list_take_all (&self->answered);
  g_mutex_unlock (&self->mutex);

  while (jobs != NULL)
    {
      PosternStoreJob *job = jobs;

      jobs = job->next;
      job->next = NULL;
      job->done (job);
    }
}

static void
wake_thread (PosternStoreThread *self)
{
  if (!self->is_to_wake)
    return;
  self->is_to_wake = FALSE;
  g_mutex_lock (&self->mutex);
  g_cond_signal (&self->arrived);
  g_mutex_unlock (&self->mutex);
}

static gboolean
answer_source_prepare (GSource *source, int *timeout_ms)
{
  wake_thread (((AnswerSource *) source)->thread);
  *timeout_ms = -1;
  return FALSE;
}

static gboolean
answer_source_check (GSource *source)
{
  return g_source_query_unix_fd (source, ((AnswerSource *) source)->tag) != 0;
}

static gboolean
answer_source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  PosternStoreThread *self = ((AnswerSource *) source)->thread;
  guint64 count;

  while (read (self->wakeup_fd, &count, sizeof count) < 0 && errno == EINTR)
    ;
  answer (self);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs answer_source_funcs = {
  .prepare = answer_source_prepare,
  .check = answer_source_check,
  .dispatch = answer_source_dispatch,
};

/**
 * postern_store_thread_new:
 * @name: up to 15 characters, as `top -H` shows it
 * @batch: does the jobs given to it, on the thread
 * @after: (nullable): called on the thread when the answers of a batch are on their way, for upkeep
 *   that nobody should wait for; its jobs are NULL
 * @owner: passed to both
 *
 * Answers come in the thread-default main context of the caller, which is where jobs come from
 * too, as a rule: those of one turn of it are taken together.
 */
PosternStoreThread *
postern_store_thread_new (const char *name,
                          PosternStoreTakes takes,
                          PosternStoreBatch batch,
                          PosternStoreBatch after,
                          gpointer owner)
{
  PosternStoreThread *self = g_new0 (PosternStoreThread, 1);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  g_atomic_ref_count_init (&self->references);
  self->takes = takes;
  self->batch = batch;
  self->after = after;
  self->owner = owner;
  g_mutex_init (&self->mutex);
  g_cond_init (&self->arrived);
  job_list_init (&self->waiting);
  job_list_init (&self->answered);
  self->wakeup_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (self->wakeup_fd < 0)
    g_critical ("No eventfd for the store: %s", g_strerror (errno));
  self->main_thread = g_thread_self ();
  self->source = g_source_new (&answer_source_funcs, sizeof (AnswerSource));
  g_source_set_static_name (self->source, "store answers");
  ((AnswerSource *) self->source)->thread = self;
  ((AnswerSource *) self->source)->tag =
      g_source_add_unix_fd (self->source, self->wakeup_fd, G_IO_IN);
  g_source_attach (self->source, context);
  self->thread = g_thread_new (name, run_thread, self);
  return self;
}

/**
 * postern_store_thread_push:
 * @job: (transfer full): comes back by its `done`
 *
 * May be called on any thread; once the thread was stopped only on the main context, where the job
 * is then done at once, so that whoever is late still gets an answer.
 */
void
postern_store_thread_push (PosternStoreThread *self, PosternStoreJob *job)
{
  gboolean was_empty;

  g_assert (job->next == NULL);
  g_mutex_lock (&self->mutex);
  if (self->thread == NULL)
    {
      g_mutex_unlock (&self->mutex);
      self->batch (job, self->owner);
      job->done (job);
      return;
    }
  was_empty = self->waiting.first == NULL;
  job_list_append (&self->waiting, job);
  if (g_thread_self () == self->main_thread)
    self->is_to_wake |= was_empty;
  else if (was_empty)
    g_cond_signal (&self->arrived);
  g_mutex_unlock (&self->mutex);
}

/**
 * postern_store_thread_stop:
 *
 * Waits until all jobs are done and answers them. It blocks for as long as the disk takes: close
 * what owns the thread asynchronously first.
 */
void
postern_store_thread_stop (PosternStoreThread *self)
{
  if (self->thread == NULL)
    return;

  g_mutex_lock (&self->mutex);
  self->stopping = TRUE;
  g_cond_signal (&self->arrived);
  g_mutex_unlock (&self->mutex);
  g_thread_join (self->thread);
  g_mutex_lock (&self->mutex);
  self->thread = NULL;
  g_mutex_unlock (&self->mutex);

  g_source_destroy (self->source);
  answer (self);
}

PosternStoreThread *
postern_store_thread_ref (PosternStoreThread *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
postern_store_thread_unref (PosternStoreThread *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  postern_store_thread_stop (self);
  g_source_unref (self->source);
  close (self->wakeup_fd);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->arrived);
  g_free (self);
}
