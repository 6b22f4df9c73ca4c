AddHeader("X-Account", saslusername)
AddHeader("X-Queue", queueid)
