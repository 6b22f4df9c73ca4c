dnl Lines to add to sendmail.mc
INPUT_MAIL_FILTER(`sluice', `S=inet:8890@127.0.0.1, F=T, T=C:10s;S:60s;R:60s;E:5m')dnl
