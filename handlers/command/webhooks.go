package command

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

const (
	maxWebhooks      = 20   // per organization
	maxAuthorization = 2000 // bytes
)

// ErrNotHolder says that a webhook is not the caller's to push to: it is
// another replica's, has nothing to push, or is gone.
var ErrNotHolder = &Error{KindConflict, "The webhook is somebody else's to push to"}

// NewWebhook is a receiver to be.
type NewWebhook struct {
	events.WebhookSettings
	Authorization []byte           // sealed
	After         *events.Position // nil: now
}

// CreateWebhook begins to push the endings of an organization after a position.
func CreateWebhook(s *projections.State, target Target, w NewWebhook) (Decision, error) {
	if _, ok := s.Organizations.Get(target.Organization); !ok {
		return Decision{}, ErrNotFound
	}
	if err := checkWebhook(w.WebhookSettings); err != nil {
		return Decision{}, err
	}
	if w.Private && !slices.Contains(target.Held, ScopeAdmin) {
		return Decision{}, &Error{KindForbidden, "private can be set only by a caller that holds " + ScopeAdmin}
	}
	if len(s.Webhooks.After(target.Organization, 0, 0)) >= maxWebhooks {
		return Decision{}, &Error{KindConflict, "The organization has " + strconv.Itoa(maxWebhooks) + " webhooks; delete one first"}
	}
	d := &events.WebhookCreated{ID: target.ID, WebhookSettings: w.WebhookSettings, Authorization: w.Authorization, After: s.Position}
	if w.After != nil {
		if err := checkAfter(s, *w.After); err != nil {
			return Decision{}, err
		}
		d.After = *w.After
	}
	return edit(target.Organization, 0, d)
}

func checkWebhook(w events.WebhookSettings) error {
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || checkUpstreamURL(w.URL) != nil || strings.Contains(w.URL, "$"):
		return Invalid("url must be an absolute https URL without user and fragment")
	case namesPrivate(u) && !w.Private:
		return Invalid("url must be on a public address, unless private is set")
	case u.Scheme != "https" && !namesLoopback(u):
		return Invalid("url must be https, but for a loopback address")
	case w.Audience != "" && !visible(w.Audience, maxURL):
		return Invalid("audience must be 1 to %d visible characters of ASCII", maxURL)
	}
	return nil
}

// namesLoopback reports whether what is sent to a URL stays on this machine.
func namesLoopback(u *url.URL) bool {
	a, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && a.IsLoopback()
}

// CheckAuthorization accepts the value of an Authorization header.
func CheckAuthorization(value string) error {
	if !visible(strings.ReplaceAll(value, " ", ""), maxAuthorization) || len(value) > maxAuthorization || strings.TrimSpace(value) != value {
		return Invalid("authorization must be the value of a header, of at most %d bytes of ASCII", maxAuthorization)
	}
	return nil
}

// checkAfter refuses a place that the log has not reached: whoever names one is
// mistaken, and would miss what comes until then.
func checkAfter(s *projections.State, after events.Position) error {
	if after > s.Position {
		return Invalid("after is a position that the log has not reached")
	}
	return nil
}

// FindWebhook returns an organization's webhook.
func FindWebhook(s *projections.State, organization, id string) (*projections.Webhook, error) {
	w, ok := s.Webhooks.Get(id)
	if !ok || w.Organization != organization {
		return nil, ErrNotFound
	}
	return w, nil
}

// ResumeWebhook pushes again at once: after a position or, nil, from where the
// webhook is.
func ResumeWebhook(s *projections.State, organization, id string, after *events.Position) (Decision, error) {
	w, err := FindWebhook(s, organization, id)
	if err == nil && after != nil {
		err = checkAfter(s, *after)
	}
	if err != nil {
		return Decision{}, err
	}
	return edit(organization, w.Revision, &events.WebhookResumed{ID: id, After: after})
}

// DeleteWebhook ends a webhook.
func DeleteWebhook(s *projections.State, organization, id string) (Decision, error) {
	w, err := FindWebhook(s, organization, id)
	if err != nil {
		return Decision{}, err
	}
	return edit(organization, w.Revision, &events.WebhookDeleted{ID: id})
}

// LeaseWebhook takes the right to push for a time, if there is something to
// push and nobody has it.
func LeaseWebhook(s *projections.State, now time.Time, id, lease string, hold time.Duration) (Decision, error) {
	w, ok := s.Webhooks.Get(id)
	if !ok || w.Dead() || s.Webhooks.Lag(w) == 0 || w.Free().After(now) {
		return Decision{}, ErrNotHolder
	}
	return edit(w.Organization, w.Revision, &events.WebhookLeased{ID: id, Lease: lease, Until: stamp(now.Add(hold))})
}

// held finds a webhook that is pushed to under a lease.
func held(s *projections.State, id, lease string) (*projections.Webhook, error) {
	w, ok := s.Webhooks.Get(id)
	if !ok || w.Lease != lease {
		return nil, ErrNotHolder
	}
	return w, nil
}

// AdvanceWebhook tells what was acknowledged under a lease, and holds that for
// some more time or, with none, gives it back.
func AdvanceWebhook(s *projections.State, now time.Time, id, lease string, progress events.WebhookProgress, hold time.Duration) (Decision, error) {
	w, err := held(s, id, lease)
	if err != nil {
		return Decision{}, err
	}
	d := &events.WebhookAdvanced{ID: id, WebhookProgress: progress}
	if hold > 0 {
		d.Until = stamp(now.Add(hold))
	}
	return edit(w.Organization, w.Revision, d)
}

// A WebhookFailure is a push that was not acknowledged.
type WebhookFailure struct {
	Error   string        // names no secret
	Refused bool          // sending it again makes no sense
	Pause   time.Duration // before the next attempt
	GiveUp  time.Duration // how long a receiver may fail
}

// FailWebhook tells of a failure under a lease. The last attempt is made when
// the receiver failed for as long as it may.
func FailWebhook(s *projections.State, now time.Time, id, lease string, progress events.WebhookProgress, f WebhookFailure) (Decision, error) {
	w, err := held(s, id, lease)
	if err != nil {
		return Decision{}, err
	}
	since := now
	if w.Failing() && progress.Acknowledged == 0 {
		since = w.FailingSince
	}
	end := since.Add(f.GiveUp)
	if f.Refused || !now.Before(end) {
		return edit(w.Organization, w.Revision, &events.WebhookDied{ID: id, WebhookProgress: progress, Error: f.Error})
	}
	retry := now.Add(f.Pause)
	if retry.After(end) {
		retry = end
	}
	return edit(w.Organization, w.Revision, &events.WebhookFailed{ID: id, WebhookProgress: progress, Error: f.Error, RetryAt: stamp(retry)})
}

// stamp is a time as events have it.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
