/* The breaker's three states over a ring of the last outcomes. */
#include "shared/policy/breaker.h"

/* While a probe is out nobody knows how long it takes; most take less than this. */
enum { PROBE_HINT_MS = 1000 };

void breaker_init(struct breaker *breaker, const struct breaker_settings *settings)
{
    must(settings->off || (settings->failures > 0 && settings->recovery_ms > 0 &&
                           settings->window_calls <= BREAKER_CALLS_MOST));
    *breaker = (struct breaker){.settings = *settings};
    must(pthread_mutex_init(&breaker->shared.mutex, NULL) == 0);
}

void breaker_fini(struct breaker *breaker)
{
    must(pthread_mutex_destroy(&breaker->shared.mutex) == 0);
}

static void lock(struct breaker *breaker)
{
    must(pthread_mutex_lock(&breaker->shared.mutex) == 0);
}

static void unlock(struct breaker *breaker)
{
    must(pthread_mutex_unlock(&breaker->shared.mutex) == 0);
}

/* --- the window --- */

static void forget_oldest_locked(struct breaker *breaker)
{
    struct breaker_call *oldest = &breaker->shared.calls[breaker->shared.oldest];
    breaker->shared.n_bad -= oldest->bad;
    breaker->shared.oldest = (breaker->shared.oldest + 1) % BREAKER_CALLS_MOST;
    breaker->shared.n_calls--;
}

static void slide_locked(struct breaker *breaker, tick_ms now_ms)
{
    while (breaker->shared.n_calls > 0 &&
           breaker->shared.calls[breaker->shared.oldest].ended_ms + breaker->settings.window_ms <=
               now_ms)
        forget_oldest_locked(breaker);
}

static void remember_locked(struct breaker *breaker, bool bad, tick_ms now_ms)
{
    slide_locked(breaker, now_ms);
    if (breaker->settings.window_calls == 0)
        return;
    while (breaker->shared.n_calls >= breaker->settings.window_calls)
        forget_oldest_locked(breaker);
    size_t place = (breaker->shared.oldest + breaker->shared.n_calls) % BREAKER_CALLS_MOST;
    breaker->shared.calls[place] = (struct breaker_call){.ended_ms = now_ms, .bad = bad};
    breaker->shared.n_calls++;
    breaker->shared.n_bad += bad;
}

/* --- transitions --- */

static void change_locked(struct breaker *breaker, enum breaker_state state)
{
    breaker->shared.state = state;
    breaker->shared.era++;
    breaker->shared.in_a_row = 0;
    breaker->shared.n_calls = breaker->shared.n_bad = breaker->shared.oldest = 0;
}

static void open_locked(struct breaker *breaker, tick_ms now_ms)
{
    change_locked(breaker, BREAKER_OPEN);
    breaker->shared.opened++;
    breaker->shared.probe_ms = now_ms + breaker->settings.recovery_ms;
}

static bool is_too_much_locked(const struct breaker *breaker)
{
    const struct breaker_settings *settings = &breaker->settings;
    if (breaker->shared.in_a_row >= settings->failures)
        return true;
    return settings->rate_percent > 0 && breaker->shared.n_calls > 0 &&
           breaker->shared.n_calls >= settings->rate_least &&
           breaker->shared.n_bad * 100 >= breaker->shared.n_calls * settings->rate_percent;
}

static void leave_closed_locked(struct breaker *breaker, enum breaker_outcome outcome,
                                tick_ms now_ms)
{
    if (outcome == BREAKER_NEUTRAL)
        return;
    bool bad = outcome == BREAKER_BAD;
    breaker->shared.in_a_row = bad ? breaker->shared.in_a_row + 1 : 0;
    remember_locked(breaker, bad, now_ms);
    if (bad && is_too_much_locked(breaker))
        open_locked(breaker, now_ms);
}

static void leave_probing_locked(struct breaker *breaker, const struct breaker_pass *pass,
                                 enum breaker_outcome outcome, tick_ms now_ms)
{
    if (outcome == BREAKER_GOOD)
        change_locked(breaker, BREAKER_CLOSED);
    else if (outcome == BREAKER_BAD)
        open_locked(breaker, now_ms);
    else if (pass->probe == breaker->shared.probe) /* an older one holds no place any more */
        breaker->shared.probe_ms = now_ms;
}

/* --- for callers --- */

static void begin_probe_locked(struct breaker *breaker, tick_ms now_ms)
{
    if (breaker->shared.state == BREAKER_OPEN)
        change_locked(breaker, BREAKER_PROBING);
    breaker->shared.probe++;
    breaker->shared.probe_ms = now_ms + breaker->settings.recovery_ms;
}

static uint64_t wait_ms_locked(const struct breaker *breaker, tick_ms now_ms)
{
    if (breaker->shared.state == BREAKER_CLOSED || now_ms >= breaker->shared.probe_ms)
        return 0;
    uint64_t left_ms = breaker->shared.probe_ms - now_ms;
    bool hint = breaker->shared.state == BREAKER_PROBING && left_ms > PROBE_HINT_MS;
    return hint ? PROBE_HINT_MS : left_ms;
}

bool breaker_enter(struct breaker *breaker, tick_ms now_ms, struct breaker_pass *pass,
                   uint64_t *retry_after_ms)
{
    *pass = (struct breaker_pass){0};
    *retry_after_ms = 0;
    if (breaker->settings.off)
        return true;
    lock(breaker);
    *retry_after_ms = wait_ms_locked(breaker, now_ms);
    bool enters = *retry_after_ms == 0;
    if (enters && breaker->shared.state != BREAKER_CLOSED) {
        begin_probe_locked(breaker, now_ms);
        pass->probe = breaker->shared.probe;
    }
    pass->era = breaker->shared.era;
    breaker->shared.refused += !enters;
    unlock(breaker);
    return enters;
}

enum breaker_change breaker_leave(struct breaker *breaker, const struct breaker_pass *pass,
                                  enum breaker_outcome outcome, tick_ms now_ms)
{
    if (breaker->settings.off)
        return BREAKER_STAYS;
    lock(breaker);
    uint64_t era = breaker->shared.era;
    breaker->shared.good += outcome == BREAKER_GOOD;
    breaker->shared.bad += outcome == BREAKER_BAD;
    breaker->shared.neutral += outcome == BREAKER_NEUTRAL;
    if (pass->era == era) {
        must(breaker->shared.state != BREAKER_OPEN); /* which lets nobody in */
        if (breaker->shared.state == BREAKER_CLOSED)
            leave_closed_locked(breaker, outcome, now_ms);
        else
            leave_probing_locked(breaker, pass, outcome, now_ms);
    }
    enum breaker_change change = breaker->shared.era == era                ? BREAKER_STAYS
                                 : breaker->shared.state == BREAKER_CLOSED ? BREAKER_CLOSES
                                                                           : BREAKER_OPENS;
    unlock(breaker);
    return change;
}

uint64_t breaker_wait_ms(struct breaker *breaker, tick_ms now_ms)
{
    if (breaker->settings.off)
        return 0;
    lock(breaker);
    uint64_t wait_ms = wait_ms_locked(breaker, now_ms);
    unlock(breaker);
    return wait_ms;
}

void breaker_stats(struct breaker *breaker, struct breaker_stats *stats)
{
    lock(breaker);
    *stats = (struct breaker_stats){.state = breaker->shared.state,
                                    .opened = breaker->shared.opened,
                                    .good = breaker->shared.good,
                                    .bad = breaker->shared.bad,
                                    .neutral = breaker->shared.neutral,
                                    .refused = breaker->shared.refused,
                                    .in_a_row = breaker->shared.in_a_row,
                                    .window_calls = (unsigned)breaker->shared.n_calls,
                                    .window_bad = (unsigned)breaker->shared.n_bad};
    unlock(breaker);
}

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_PROBING] = "probing"};
    return names[state];
}
