# The same with Mail::DKIM, jobs as dkim_tool's batch; an answer "-" is a refusal.
# usage: mail_dkim.pl RECORDS
use strict;
use warnings;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Mail::DKIM::ARC::Signer;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::DNS;
use Net::DNS;

my %records;
open(my $file, '<', $ARGV[0]) or die "$ARGV[0]: $!";
while (<$file>) {
	chomp;
	my ($name, $text) = split(/ /, $_, 2);
	$records{lc $name} = $text;
}

{
	no warnings 'redefine';
	*Mail::DKIM::DNS::query = sub {
		my ($name, $type) = @_;
		my $text = $records{lc $name};
		return () unless defined $text && $type eq 'TXT';
		return (Net::DNS::RR->new(owner => $name, type => 'TXT',
		    txtdata => [ $text =~ /(.{1,250})/gs ]));
	};
}

sub sign {
	my ($message, $key, $selector, $domain, $canon) = @_;
	my $signer = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $canon,
	    Domain => $domain, Selector => $selector, KeyFile => $key);
	$signer->PRINT($message);
	$signer->CLOSE;
	return $signer->signature->as_string . "\015\012" . $message;
}

sub verify {
	my ($message) = @_;
	my $verifier = Mail::DKIM::Verifier->new;
	$verifier->PRINT($message);
	$verifier->CLOSE;
	return $verifier->result_detail . "\n";
}

sub seal {
	my ($message, $key, $selector, $domain) = @_;
	my $signer = Mail::DKIM::ARC::Signer->new(Algorithm => 'rsa-sha256', Domain => $domain,
	    Selector => $selector, KeyFile => $key, SrvId => 'mx.example.com', Chain => 'ar');
	# It takes cv= from a field of ours, which isn't part of the message that goes on.
	my ($chain) = split(/ /, validate($message));
	chomp $chain;
	$signer->PRINT("Authentication-Results: mx.example.com; arc=$chain; "
	    . "spf=pass smtp.mailfrom=joe\@example.com\015\012" . $message);
	$signer->CLOSE;
	die $signer->{details} // 'no seal' unless $signer->result eq 'sealed';
	return join("\015\012", $signer->as_strings) . "\015\012" . $message;
}

sub validate {
	my ($message) = @_;
	my $verifier = Mail::DKIM::ARC::Verifier->new;
	$verifier->PRINT($message);
	$verifier->CLOSE;
	return $verifier->result . ' ' . $verifier->result_detail . "\n";
}

my %jobs = (sign => \&sign, verify => \&verify, seal => \&seal, validate => \&validate);
binmode STDIN;
binmode STDOUT;
while (my $line = <STDIN>) {
	my ($what, @words) = split(' ', $line);
	my $n = pop @words;
	read(STDIN, my $message, $n) if $n > 0;
	$message = '' unless $n > 0;
	my $answer = eval { $jobs{$what}->($message, @words) };
	warn $@ if $@;
	$answer = "-\n" unless defined $answer;
	print length($answer), "\n", $answer;
}
