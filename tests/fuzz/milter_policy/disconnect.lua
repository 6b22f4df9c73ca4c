context.seen = 0
