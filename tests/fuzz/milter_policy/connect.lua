context.from = senderip
