package keys

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// Endpoint serves GET /oauth/keys and POST /oauth/keys/rotate to
// administrators. Private keys, sealed or not, are in no answer.
type Endpoint struct {
	Authn  *authn.Authenticator
	Keeper *Keeper
}

// Mount adds the endpoints to a router.
func (e *Endpoint) Mount(g *echo.Group) {
	admin := e.Authn.Require(command.ScopeAdmin)
	g.GET("/oauth/keys", e.list, admin)
	g.POST("/oauth/keys/rotate", e.rotate, admin)
}

// Where a key stands in its life.
const (
	statusPending  = "pending"  // published, does not sign yet
	statusActive   = "active"   // signs
	statusReplaced = "replaced" // published for what it signed
)

// key is a signing key as administrators see it.
type key struct {
	ID          string    `json:"kid"`
	Algorithm   string    `json:"alg"`
	CreatedAt   time.Time `json:"createdAt"`
	NotBefore   time.Time `json:"notBefore"`
	ActivatedAt time.Time `json:"activatedAt,omitzero"`
	Status      string    `json:"status"`
}

type keyList struct {
	Keys []key `json:"keys"`
}

func (e *Endpoint) list(c echo.Context) error {
	list := keyList{Keys: []key{}}
	e.Keeper.cfg.Emit.View(func(s *projections.State) {
		for _, k := range s.Keys.Published() {
			list.Keys = append(list.Keys, shown(k))
		}
	})
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(http.StatusOK, list)
}

func shown(k *projections.Key) key {
	out := key{
		ID: k.ID, Algorithm: k.Algorithm, CreatedAt: k.CreatedAt,
		NotBefore: k.NotBefore, ActivatedAt: k.ActivatedAt, Status: statusActive,
	}
	switch {
	case k.ActivatedAt.IsZero():
		out.Status = statusPending
	case !k.ReplacedAt.IsZero():
		out.Status = statusReplaced
	}
	return out
}

// rotate answers with the list as it is after the rotation.
func (e *Endpoint) rotate(c echo.Context) error {
	var in struct {
		Algorithm *string `json:"alg"`
	}
	if err := body.DecodeOptional(c.Request(), &in); err != nil {
		return err
	}
	alg := ""
	if in.Algorithm != nil {
		if alg = *in.Algorithm; alg == "" {
			return oauth.Invalid("alg must not be empty")
		}
	}
	meta := emit.Meta{Actor: authn.From(c).Actor(), Correlation: oauth.RequestID(c)}
	position, err := e.Keeper.Rotate(c.Request().Context(), meta, alg)
	if err != nil {
		return err
	}
	consistency.Set(c, position)
	return e.list(c)
}
