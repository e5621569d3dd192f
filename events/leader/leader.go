// Package leader asks a JetStream stream's leader, and nobody else, for the
// state of the stream and what is in it.
//
// Only the leader knows what was acknowledged. Yet a nats-server answers a
// request for a stream's state without being its leader in the first seconds
// after its start, if it was the preferred member when the stream was made
// (jsStreamInfoRequest in server/jetstream_api.go): from its own copy, which may
// lack what the others have, or be empty. To a client that stands beside it,
// this answer is the first one. So several answers to one request are read,
// until that of the leader is among them.
package leader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// answers is how many answers are kept: one of each member to each request.
	answers = 64

	// askAgain is how long to wait for the leader's answer before it is asked
	// for again: there may not have been a leader.
	askAgain = 500 * time.Millisecond
)

// request is the body of a request for a stream's state.
type request struct {
	Subjects string `json:"subjects_filter,omitempty"`
}

type response struct {
	Error *jetstream.APIError `json:"error"`
	jetstream.StreamInfo
}

// Info returns what the leader of the stream tells, which may have been cut
// off from the others meanwhile. With a filter it tells the subjects that
// match it, too, up to the 100,000 of one answer. While nobody leads, Info
// waits until ctx ends. An error of the server is a *jetstream.APIError.
func Info(ctx context.Context, conn *nats.Conn, stream, filter string) (*jetstream.StreamInfo, error) {
	body, err := json.Marshal(request{filter})
	if err != nil {
		return nil, err
	}
	inbox := conn.NewInbox()
	heard := make(chan *nats.Msg, answers)
	sub, err := conn.ChanSubscribe(inbox, heard)
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe()
	for strayed := false; ; {
		if err := conn.PublishRequest(jetstream.DefaultAPIPrefix+"STREAM.INFO."+stream, inbox, body); err != nil {
			return nil, err
		}
		info, stray, err := listen(ctx, heard)
		strayed = strayed || stray
		switch {
		case err != nil && strayed && ctx.Err() != nil:
			return nil, fmt.Errorf("only members that do not lead stream %s answered: %w", stream, err)
		case info != nil || err != nil:
			return info, err
		}
	}
}

// listen waits for the leader's answer for a while. stray: somebody else has
// answered.
func listen(ctx context.Context, heard <-chan *nats.Msg) (info *jetstream.StreamInfo, stray bool, err error) {
	again := time.NewTimer(askAgain)
	defer again.Stop()
	for {
		select {
		case msg := <-heard:
			info, err := read(msg)
			if info != nil || err != nil {
				return info, stray, err
			}
			stray = true
		case <-again.C:
			return nil, stray, nil
		case <-ctx.Done():
			return nil, stray, context.Cause(ctx)
		}
	}
}

// read returns what an answer tells, or nothing: it is not the leader's.
func read(msg *nats.Msg) (*jetstream.StreamInfo, error) {
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
		return nil, nats.ErrNoResponders
	}
	var r response
	if err := json.Unmarshal(msg.Data, &r); err != nil {
		return nil, fmt.Errorf("not a stream's state: %w", err)
	}
	switch {
	case r.Error != nil:
		return nil, r.Error
	case r.Config.Name == "":
		return nil, errors.New("not a stream's state")
	case !leads(&r.StreamInfo):
		return nil, nil
	}
	return &r.StreamInfo, nil
}

// leads reports whether the member that answered is the leader. It names itself
// as such, and itself not among the other members.
func leads(info *jetstream.StreamInfo) bool {
	at := info.Cluster
	if at == nil || info.Config.Replicas <= 1 {
		return true
	}
	if at.Leader == "" || len(at.Replicas) == 0 {
		return false
	}
	for _, other := range at.Replicas {
		if other.Name == at.Leader {
			return false
		}
	}
	return true
}

// A Message is one of a stream.
type Message struct {
	Data []byte    `json:"data"`
	Time time.Time `json:"time"` // when it was stored
}

// Last returns the last message of a subject, nil if there is none. Others
// than the leader may lack it; they are who answers where a stream allows to be
// read directly. While nobody leads, Last waits until ctx ends.
func Last(ctx context.Context, conn *nats.Conn, stream, subject string) (*Message, error) {
	body, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return nil, err
	}
	for {
		short, cancel := context.WithTimeout(ctx, askAgain)
		msg, err := conn.RequestWithContext(short, jetstream.DefaultAPIPrefix+"STREAM.MSG.GET."+stream, body)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		var answer struct {
			Error   *jetstream.APIError `json:"error"`
			Message *Message            `json:"message"`
		}
		if err := json.Unmarshal(msg.Data, &answer); err != nil {
			return nil, fmt.Errorf("not a message of a stream: %w", err)
		}
		switch e := answer.Error; {
		case e == nil:
			return answer.Message, nil
		case e.ErrorCode == jetstream.JSErrCodeMessageNotFound:
			return nil, nil
		default:
			return nil, e
		}
	}
}
