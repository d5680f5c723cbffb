<?php
/**
 * Plugin Name: Articles populaires
 * Description: The shortcode [articles_populaires boards="read,commented,shared" windows="24h,7d" limit="7"].
 * License: Apache-2.0
 *
 * Put this file into wp-content/plugins/ and set the two constants, here or in wp-config.php. To stay with one version of the script,
 * which the reader serves for at least a year after the next one (docs/block/README.md, Versions), define its address as
 * ARTICLES_POPULAIRES_SCRIPT and its integrity as ARTICLES_POPULAIRES_INTEGRITY there, both.
 */

defined( 'ABSPATH' ) || exit;

defined( 'ARTICLES_POPULAIRES_SRC' ) || define( 'ARTICLES_POPULAIRES_SRC', 'http://127.0.0.1:8080' );
defined( 'ARTICLES_POPULAIRES_SITE' ) || define( 'ARTICLES_POPULAIRES_SITE', 'demo' );

/** Address and integrity of one version of the script. Both are taken from wp-config.php, or neither: they fit each other only. */
function articles_populaires_script() {
	if ( defined( 'ARTICLES_POPULAIRES_SCRIPT' ) && defined( 'ARTICLES_POPULAIRES_INTEGRITY' ) ) {
		return array( ARTICLES_POPULAIRES_SCRIPT, ARTICLES_POPULAIRES_INTEGRITY );
	}
	return array( '/block.af27d445ebd9f1c6.js', 'sha384-71WOW1mKIIQJ7w/CEBIwB0JHL8Fw+2rCuJfl5YTlz7vHb8kMPaOUDSGToPu5Wj27' );
}

/** In the head and neither deferred nor async: the block has its size when the page is first painted. */
add_action( 'wp_enqueue_scripts', function () {
	// No version argument: it would be added to an address that is pinned by its content already.
	wp_register_script( 'articles-populaires', ARTICLES_POPULAIRES_SRC . articles_populaires_script()[0], array(), null, false );
	if ( is_singular() && has_shortcode( get_post()->post_content, 'articles_populaires' ) ) {
		wp_enqueue_script( 'articles-populaires' );
	}
} );

add_filter( 'script_loader_tag', function ( $tag, $handle ) {
	if ( 'articles-populaires' !== $handle ) {
		return $tag;
	}
	$more = sprintf( ' integrity="%s" crossorigin="anonymous" src=', esc_attr( articles_populaires_script()[1] ) );
	return str_replace( ' src=', $more, $tag );
}, 10, 2 );

add_shortcode( 'articles_populaires', function ( $given ) {
	$a    = shortcode_atts(
		array( 'boards' => 'read,commented,shared', 'windows' => '24h,7d', 'limit' => '7', 'lang' => substr( get_locale(), 0, 2 ) ),
		$given,
		'articles_populaires'
	);
	$a['limit'] = (string) min( 50, max( 1, (int) $a['limit'] ) );
	$window     = trim( strtok( $a['windows'], ',' ) );
	$lists      = '';
	foreach ( array_slice( explode( ',', $a['boards'] ), 0, 6 ) as $board ) {
		$lists .= articles_populaires_fragment( trim( $board ), $window, $a['limit'], $a['lang'] );
	}
	// If the shortcode stands where the head could not know of it, the script follows in the footer.
	wp_enqueue_script( 'articles-populaires' );
	$attributes = '';
	foreach ( array( 'src' => ARTICLES_POPULAIRES_SRC, 'site' => ARTICLES_POPULAIRES_SITE ) + $a as $name => $value ) {
		$attributes .= sprintf( ' %s="%s"', $name, esc_attr( $value ) );
	}
	// The reader has escaped the fragment; wp_kses would take out its template and its style.
	return "<articles-populaires{$attributes}></articles-populaires><noscript>{$lists}</noscript>";
} );

/** One list as HTML, kept for a minute; the last good one stands in for a day while the reader is away. */
function articles_populaires_fragment( $board, $window, $limit, $lang ) {
	$path    = array_map( 'rawurlencode', array( ARTICLES_POPULAIRES_SITE, 'popular', $board, $window ) );
	$query   = array( 'render' => 'html', 'limit' => $limit, 'lang' => 'en' === $lang ? 'en' : 'fr' );
	$address = ARTICLES_POPULAIRES_SRC . '/v1/' . implode( '/', $path ) . '?' . http_build_query( $query );
	$key     = 'articles_populaires_' . md5( $address );
	$fresh   = get_transient( $key );
	if ( false !== $fresh ) {
		return $fresh;
	}
	// A page must not wait for its side column: two seconds, half a megabyte, and no second try within the minute.
	$reply = wp_remote_get( $address, array( 'timeout' => 2, 'redirection' => 0, 'limit_response_size' => 524288 ) );
	$html  = wp_remote_retrieve_body( $reply );
	if ( 200 === wp_remote_retrieve_response_code( $reply ) && str_ends_with( $html, '</articles-populaires>' ) ) {
		set_transient( $key . '_last', $html, DAY_IN_SECONDS );
	} else {
		$html = (string) get_transient( $key . '_last' );
	}
	set_transient( $key, $html, MINUTE_IN_SECONDS );
	return $html;
}
