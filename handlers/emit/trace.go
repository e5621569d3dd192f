package emit

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/grantlog/grantlog/events"
)

// traced begins a span below the one of ctx. Where that is not traced, as
// usual, nothing happens.
func traced(ctx context.Context, step string) (context.Context, func(events.Position, error)) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, untraced
	}
	ctx, span := parent.TracerProvider().Tracer("github.com/grantlog/grantlog").Start(ctx, step)
	return ctx, func(position events.Position, err error) {
		span.SetAttributes(attribute.Int64("grantlog.position", int64(position)))
		if err != nil {
			span.SetStatus(codes.Error, "") // the log says why
		}
		span.End()
	}
}

func untraced(events.Position, error) {}
